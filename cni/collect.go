package cni

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/containernetworking/cni/pkg/invoke"

	"warren.mesh/cni/gate"
)

// Collector frees addresses that host-local has reserved for sandboxes that are gone: those of a runtime that was
// killed before it could detach a pod. Nobody else does (host-local v1.9.1 answers GC and does nothing), and a node
// whose range is full starts no pod.
type Collector struct {
	Configuration
	// Plugin is the path of host-local. It frees what is reserved, under its own lock.
	Plugin string
	// Ports returns the names of the bridge's ports.
	Ports func() ([]string, error)
}

// underWay is longer than an ADD takes: kubelets give a runtime four minutes to make a sandbox.
const underWay = 10 * time.Minute

// Collect frees what is stale and returns the addresses. A reservation is stale if it is older than an ADD that is
// still under way can be, libcni's cache and the gate's records know neither its container nor its address, and every
// port of the bridge is a known pod's. If one is not, nothing is freed, and the error names the port: its pod may hold
// any of the addresses, because the cache was lost, or is being attached.
func (c Collector) Collect(ctx context.Context) (freed []string, err error) {
	stale, err := c.stale()
	if err != nil || len(stale) == 0 {
		return nil, err
	}
	conf, err := c.ipam()
	if err != nil {
		return nil, fmt.Errorf("free stale addresses: %w", err)
	}
	var errs []error
	for key, addrs := range stale {
		args := &invoke.Args{Command: "DEL", ContainerID: key.Container, IfName: key.Interface,
			Path: filepath.Dir(c.Plugin)}
		if err := invoke.ExecPluginWithoutResult(ctx, c.Plugin, conf, args, nil); err != nil {
			errs = append(errs, fmt.Errorf("free stale addresses %v: %w", addrs, err))
			continue
		}
		freed = append(freed, addrs...)
	}
	slices.Sort(freed)
	return freed, errors.Join(errs...)
}

// stale returns the addresses of stale reservations by their holder. The reservations are read before what knows their
// holders, because a pod that is attached meanwhile reserves first.
func (c Collector) stale() (map[gate.Key][]string, error) {
	held, err := c.reservations(time.Now().Add(-underWay))
	if err != nil || len(held) == 0 {
		return nil, err
	}
	// What cannot be read has a port that is not known, or its file still counts below.
	known, _ := c.Attachments()
	recorded, _ := gate.RecordsIn(c.RunDir).Load()
	known = append(known, recorded...)
	for key, addrs := range held {
		cached := filepath.Join(c.CacheDir, "results", fmt.Sprintf("%s-%s-%s", Network, key.Container, key.Interface))
		used := func(a gate.Attachment) bool {
			return a.Key() == key || slices.ContainsFunc(a.Addrs, func(ip netip.Addr) bool {
				return slices.Contains(addrs, ip.String())
			})
		}
		if exists(cached) || slices.ContainsFunc(known, used) {
			delete(held, key)
		}
	}
	if len(held) == 0 {
		return nil, nil
	}
	return held, c.portsAreKnown(known)
}

func (c Collector) portsAreKnown(known []gate.Attachment) error {
	ports, err := c.Ports()
	for _, port := range ports {
		if !slices.ContainsFunc(known, func(a gate.Attachment) bool { return a.Port == port }) {
			const format = "look for stale addresses: %s on %s is no known pod's, so any address may be in use"
			return fmt.Errorf(format, port, c.Bridge)
		}
	}
	return err
}

// reservations returns the addresses of those from before a time, by their holder. Files that name none are left out.
func (c Collector) reservations(before time.Time) (map[gate.Key][]string, error) {
	dir := filepath.Join(c.dataDir(), Network)
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read address reservations: %w", err)
	}
	held, young := map[gate.Key][]string{}, map[gate.Key]bool{}
	for _, entry := range entries {
		addr, ok := reserved(entry.Name())
		if !ok {
			continue
		}
		content, err := os.ReadFile(filepath.Join(dir, entry.Name()))
		if err != nil {
			continue // freed meanwhile
		}
		container, ifname, ok := strings.Cut(strings.TrimSpace(string(content)), lineBreak)
		info, err := entry.Info()
		if !ok || err != nil || container != filepath.Base(container) || ifname != filepath.Base(ifname) {
			continue
		}
		key := gate.Key{Container: container, Interface: ifname}
		held[key] = append(held[key], addr.String())
		if !info.ModTime().Before(before) {
			young[key] = true
		}
	}
	for key := range young {
		delete(held, key)
	}
	return held, nil
}

// ipam returns a configuration for host-local: that of the list which is installed.
func (c Collector) ipam() ([]byte, error) {
	content, err := os.ReadFile(c.File())
	if err != nil {
		return nil, err
	}
	var list struct {
		CNIVersion string `json:"cniVersion"`
		Name       string `json:"name"`
		Plugins    []struct {
			IPAM json.RawMessage `json:"ipam"`
		} `json:"plugins"`
	}
	if err := json.Unmarshal(content, &list); err != nil {
		return nil, fmt.Errorf("%s: %w", c.File(), err)
	}
	for _, plugin := range list.Plugins {
		if plugin.IPAM != nil {
			return json.Marshal(map[string]any{"cniVersion": list.CNIVersion, "name": list.Name, "type": "host-local",
				"ipam": plugin.IPAM})
		}
	}
	return nil, fmt.Errorf("%s names no address management", c.File())
}
