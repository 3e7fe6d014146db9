package kube

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/util/wait"

	"warren.mesh/mesh/kube/policies"
	"warren.mesh/mesh/policy"
)

// PolicySink is told what of the cluster decides about connections, in steps. It is called from any goroutine, by one
// at a time. policy.Index is one. What is set replaces what was there under the same name; what is deleted was set
// before.
type PolicySink = policies.Sink

// PolicyMirror watches what decides about the connections of the own Node's pods while Run runs: its own pods, the
// other pods that have addresses, namespaces and NetworkPolicies.
type PolicyMirror struct {
	cluster *Cluster
	mirror  *policies.Mirror
	sources []policySource
}

type policySource struct {
	source
	store policies.Store
}

// Policies returns a mirror that keeps the sink in step. changed is called, from any goroutine, when something has
// become different: in the sink, or what the mirror says of itself. It must not block; nil means that nobody is called.
// No request is sent before Run.
func (c *Cluster) Policies(sink PolicySink, changed func()) *PolicyMirror {
	if changed == nil {
		changed = func() {}
	}
	m := &PolicyMirror{cluster: c, mirror: policies.New(c.name, sink, changed)}
	add := func(s source, store policies.Store) {
		s.mirror = store
		m.sources = append(m.sources, policySource{s, store})
	}
	own := fields.OneTermEqualSelector("spec.nodeName", c.name).String()
	add(source{name: "networkpolicies", example: &networkingv1.NetworkPolicy{}, lists: c.clients.allPolicies()},
		m.mirror.Policies)
	add(source{name: "namespaces", example: &metav1.PartialObjectMetadata{}, lists: c.clients.allNamespaces()},
		m.mirror.Namespaces)
	add(source{name: "own pods", example: &policies.Pod{}, lists: c.clients.somePods(own)}, m.mirror.OwnPods)
	add(source{name: "pods", example: &policies.Pod{}, lists: c.clients.somePods("spec.nodeName!=")}, m.mirror.Peers)
	return m
}

// Run watches until ctx ends, whatever the API server does meanwhile. It starts every goroutine of the PolicyMirror and
// returns when they have ended. The Cluster must run, too: it notices an API server that returns with another store.
// The error is always nil.
func (m *PolicyMirror) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		m.watch(ctx)
	}
	return nil
}

// watch follows all sources until ctx ends, or until the Cluster begins anew.
func (m *PolicyMirror) watch(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := context.AfterFunc(m.cluster.round.context(), cancel)
	defer stop()
	var group sync.WaitGroup
	for _, s := range m.sources {
		group.Go(func() { m.follow(ctx, s) })
	}
	group.Wait()
}

// follow keeps one store current until ctx ends. After a list that is not to be believed it waits until the own Node is
// there, and lists again.
func (m *PolicyMirror) follow(ctx context.Context, s policySource) {
	for ctx.Err() == nil {
		trusted, cancel := context.WithCancel(ctx)
		s.store.Begin(func() error { return m.confirm(trusted) }, cancel)
		s.follow(trusted)
		cancel()
		for ctx.Err() == nil && m.confirm(ctx) != nil {
			select {
			case <-ctx.Done():
			case <-time.After(wait.Jitter(confirmInterval, 1)):
			}
		}
	}
}

const (
	// confirmInterval is how often the own Node is looked for while it is missing, plus up to as much again.
	confirmInterval = 5 * time.Second
	// confirmTimeout bounds one look.
	confirmTimeout = 10 * time.Second
)

// confirm returns nil if the own Node is in the store from which a list came, asked after that list. A list from an
// empty store, or from one in which this node is not yet, says nothing about policies that were in force: the cluster
// is being put back, and what it lacks is not deleted.
func (m *PolicyMirror) confirm(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, confirmTimeout)
	defer cancel()
	name := fields.OneTermEqualSelector(metav1.ObjectNameField, m.cluster.name).String()
	list, err := m.cluster.clients.metadata.List(ctx, metav1.ListOptions{FieldSelector: name})
	switch {
	case err != nil:
		if reason := explain(err); reason != "" {
			return errors.New(reason)
		}
		return err
	case len(list.Items) == 0 || list.Items[0].UID == "":
		return fmt.Errorf("a store without Node %s", m.cluster.name)
	}
	return nil
}

// Synced reports whether everything has been read in full since the start. Once true, it stays true. Before that, the
// sink holds a part of the cluster, by which nobody should act.
func (m *PolicyMirror) Synced() bool { return m.mirror.Synced() && m.cluster.Synced() }

// Waiting returns what the mirror waits for, as half a sentence, as Cluster.Waiting does. It is empty while everything
// has been read and is being watched. What the Cluster waits for is not said a second time: one API server that is away
// is one line for an operator.
func (m *PolicyMirror) Waiting() string {
	if m.cluster.Waiting() != "" {
		return elsewhere
	}
	// A connection that failed is of the time before the Cluster was served: the next attempt comes within seconds.
	if trouble := m.mirror.Obstacle(); trouble != "" && !strings.HasPrefix(trouble, "dial: ") {
		return fmt.Sprintf("the API server at %s: %s", m.cluster.host, trouble)
	}
	if !m.mirror.Synced() {
		return fmt.Sprintf("the first lists of pods, namespaces and NetworkPolicies from the API server at %s",
			m.cluster.host)
	}
	return ""
}

// elsewhere is what a PolicyMirror waits for while the Cluster waits.
const elsewhere = `the API server, as the step "api server" says`

// Problems returns what of the NetworkPolicies cannot be handed to the sink, in no order; see policies.Translate.
func (m *PolicyMirror) Problems() []policy.Problem { return m.mirror.Problems() }
