package policies

import (
	"fmt"
	"reflect"
	"strings"

	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"warren.mesh/mesh/policy"
)

// Mirror holds what of the cluster decides about the connections of one node's pods, and keeps a Sink in step.
type Mirror struct {
	// OwnPods are this node's, Peers all pods with addresses; either way, those that share their host's network or
	// have completed do not count. Namespaces want metadata only.
	OwnPods, Peers, Namespaces, Policies Store

	all []state
	*shared
	problems map[string][]policy.Problem
}

// state is what a Mirror asks its stores.
type state interface {
	synced() bool
	obstacle() string
}

// New returns a Mirror for the pods of a node. changed is called, from any goroutine, when something has become
// different: in the sink, or what the Mirror says of itself. It must not block.
func New(node string, sink Sink, changed func()) *Mirror {
	m := &Mirror{shared: &shared{changed: changed}, problems: map[string][]policy.Problem{}}
	r := &roster{sink: sink}
	own := newStore(m.shared, podKind("pods of this node", func(p *Pod) bool { return p.Node == node }, r))
	peers := newStore(m.shared, podKind("pods", func(p *Pod) bool {
		// What this node's own watch says of its pods is newer.
		return p.Node != "" && p.Node != node && len(p.Addrs) > 0
	}, r))
	r.own, r.peers = own.held, peers.held
	namespaces := newStore(m.shared, namespaceKind(sink))
	policies := newStore(m.shared, m.policyKind(sink))
	m.OwnPods, m.Peers, m.Namespaces, m.Policies = own, peers, namespaces, policies
	m.all = []state{policies, namespaces, own, peers}
	return m
}

// Synced reports whether all lists have been read in full since the start. Once true, it stays true. Before that, the
// sink holds a part of the cluster, by which nobody should act.
func (m *Mirror) Synced() bool {
	for _, s := range m.all {
		if !s.synced() {
			return false
		}
	}
	return true
}

// Obstacle says what is in the way of the current state; empty if nothing is.
func (m *Mirror) Obstacle() string {
	for _, s := range m.all {
		if trouble := s.obstacle(); trouble != "" {
			return trouble
		}
	}
	return ""
}

// Problems returns what of the policies a policy.Policy cannot express, in no order. What else is wrong with one,
// package policy finds.
func (m *Mirror) Problems() (all []policy.Problem) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, problems := range m.problems {
		all = append(all, problems...)
	}
	return all
}

// translated is a NetworkPolicy and what it cannot express.
type translated struct {
	policy   policy.Policy
	problems []policy.Problem
}

func (m *Mirror) policyKind(sink Sink) kind[translated] {
	return kind[translated]{
		what: "NetworkPolicies",
		read: func(object any) (string, translated, bool, error) {
			o, ok := object.(*networkingv1.NetworkPolicy)
			if !ok {
				return "", translated{}, false, fmt.Errorf("translate a NetworkPolicy: unexpected type %T", object)
			}
			var t translated
			t.policy, t.problems = Translate(o)
			return o.Namespace + "/" + o.Name, t, false, nil
		},
		same: func(a, b translated) bool { return reflect.DeepEqual(a, b) },
		set: func(key string, t translated) {
			delete(m.problems, key)
			if len(t.problems) > 0 {
				m.problems[key] = t.problems
			}
			sink.SetPolicy(t.policy)
		},
		drop: func(key string, t translated) {
			delete(m.problems, key)
			sink.DeletePolicy(t.policy.Namespace, t.policy.Name)
		},
	}
}

func namespaceKind(sink Sink) kind[policy.Namespace] {
	return kind[policy.Namespace]{
		what: "namespaces",
		read: func(object any) (string, policy.Namespace, bool, error) {
			o, ok := object.(*metav1.PartialObjectMetadata)
			if !ok {
				return "", policy.Namespace{}, false, fmt.Errorf("translate a namespace: unexpected type %T", object)
			}
			n := policy.Namespace{Name: strings.Clone(o.Name), Labels: policy.NewLabels(o.Labels)}
			return n.Name, n, false, nil
		},
		same: func(a, b policy.Namespace) bool { return a == b },
		set:  func(_ string, n policy.Namespace) { sink.SetNamespace(n) },
		drop: func(name string, _ policy.Namespace) { sink.DeleteNamespace(name) },
	}
}

// podKind mirrors those pods that count.
func podKind(what string, counts func(*Pod) bool, r *roster) kind[*policy.Pod] {
	return kind[*policy.Pod]{
		what: what,
		read: func(object any) (string, *policy.Pod, bool, error) {
			p, ok := object.(*Pod)
			if !ok {
				return "", nil, false, fmt.Errorf("translate a pod: unexpected type %T", object)
			}
			return p.key, p.Pod, p.absent || !counts(p), nil
		},
		same: samePod,
		set:  r.tell,
		drop: r.tell,
	}
}

// roster joins what the two watches say of pods. A pod may be in both for a moment: its successor of the same name may
// be on another node.
type roster struct {
	sink Sink
	// own and peers are what the two stores hold.
	own, peers map[string]*policy.Pod
}

// tell tells the sink what has become of a pod. This node's watch has the last word.
func (r *roster) tell(key string, p *policy.Pod) {
	switch {
	case r.own[key] != nil:
		r.sink.SetPod(*r.own[key])
	case r.peers[key] != nil:
		r.sink.SetPod(*r.peers[key])
	default:
		r.sink.DeletePod(p.Namespace, p.Name)
	}
}
