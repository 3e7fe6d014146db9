package kube

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/wait"
)

const (
	// lookInterval is how often a daemon reads the API server's addresses, plus up to half: at 5,000 nodes, under ten
	// requests a second.
	lookInterval = 10 * time.Minute
	// lookRetry is how soon it tries again after a failure, plus up to half.
	lookRetry = 20 * time.Second
	// lookTimeout bounds one attempt.
	lookTimeout = 10 * time.Second
)

// slicePath is where the API server publishes its own addresses.
const slicePath = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices/kubernetes"

// endpointSlice is the part of an EndpointSlice that is read. The types of its group would add megabytes.
type endpointSlice struct {
	Endpoints []struct {
		Addresses  []string
		Conditions struct{ Ready *bool }
	}
	Ports []struct {
		Name string
		Port uint16
	}
}

// ways returns the addresses of the endpoints that are ready, sorted.
func (s endpointSlice) ways() (all []string) {
	for _, e := range s.Endpoints {
		if e.Conditions.Ready != nil && !*e.Conditions.Ready {
			continue
		}
		for _, text := range e.Addresses {
			addr, err := netip.ParseAddr(text)
			for _, p := range s.Ports {
				if err == nil && addr.Zone() == "" && (p.Name == "https" || len(s.Ports) == 1) && p.Port != 0 {
					all = append(all, netip.AddrPortFrom(addr, p.Port).String())
				}
			}
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// look reads the API server's addresses. A cluster in which it publishes none has none.
func (c clients) look(ctx context.Context) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	content, err := c.core.Get().AbsPath(slicePath).SetHeader("Accept", "application/json").DoRaw(ctx)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var slice endpointSlice
	if err := json.Unmarshal(content, &slice); err != nil {
		return nil, err
	}
	return slice.ways(), nil
}

// learn remembers the API server's addresses until ctx ends.
func (c *Cluster) learn(ctx context.Context) {
	for ctx.Err() == nil {
		err := c.lookAndRemember(ctx)
		delay := lookInterval
		if err != nil {
			delay = lookRetry
		}
		c.ways.again(ctx)
		select {
		case <-ctx.Done():
		case <-time.After(wait.Jitter(delay, 0.5)):
		}
	}
}

// lookAndRemember reads the addresses once. If the API server cannot be reached, the watches tell it.
func (c *Cluster) lookAndRemember(ctx context.Context) error {
	found, err := c.clients.look(ctx)
	switch {
	case apierrors.IsForbidden(err):
		err = fmt.Errorf("cannot learn other ways to the API server: %s", explain(err))
	case err != nil:
		return err
	default:
		err = c.ways.remember(found)
	}
	c.ways.note(func() { c.ways.trouble = err })
	return err
}
