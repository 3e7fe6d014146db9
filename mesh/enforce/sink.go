package enforce

import (
	"time"

	"warren.mesh/mesh/policy"
)

// known is what the API server has told that decides when a pod may be attached, beside what the index knows.
type known struct {
	// pods are the UIDs of this node's pods, by namespace and name.
	pods map[podName]string
	// namespaces and policies are those of the cluster.
	namespaces map[string]bool
	policies   map[podName]bool
	// nodesChanged says that Cluster.Nodes may return something else.
	nodesChanged bool
}

// podName names a pod, or another object, within the cluster.
type podName struct{ namespace, name string }

func newKnown() known {
	return known{
		pods: map[podName]string{}, namespaces: map[string]bool{}, policies: map[podName]bool{}, nodesChanged: true,
	}
}

// SetPod takes a pod of the cluster, of this node or of another. This and the functions below never block for long, and
// any goroutine may call them.
func (e *Enforcer) SetPod(p policy.Pod) {
	name := podName{p.Namespace, p.Name}
	e.change(func() (urgent bool) {
		e.cfg.Index.SetPod(p)
		if p.Node != e.cfg.Node {
			return false
		}
		e.known.pods[name] = p.UID
		return e.awaited(name)
	})
}

// DeletePod takes that a pod is gone.
func (e *Enforcer) DeletePod(namespace, name string) {
	e.change(func() bool {
		e.cfg.Index.DeletePod(namespace, name)
		delete(e.known.pods, podName{namespace, name})
		return false
	})
}

// SetNamespace takes a namespace.
func (e *Enforcer) SetNamespace(n policy.Namespace) {
	e.change(func() bool {
		e.cfg.Index.SetNamespace(n)
		fresh := !e.known.namespaces[n.Name]
		e.known.namespaces[n.Name] = true
		return fresh
	})
}

// DeleteNamespace takes that a namespace is gone.
func (e *Enforcer) DeleteNamespace(name string) {
	e.change(func() bool {
		e.cfg.Index.DeleteNamespace(name)
		delete(e.known.namespaces, name)
		return false
	})
}

// SetPolicy takes a NetworkPolicy.
func (e *Enforcer) SetPolicy(p policy.Policy) {
	e.change(func() bool {
		e.cfg.Index.SetPolicy(p)
		e.known.policies[podName{p.Namespace, p.Name}] = true
		return false
	})
}

// DeletePolicy takes that a NetworkPolicy is gone.
func (e *Enforcer) DeletePolicy(namespace, name string) {
	e.change(func() bool {
		e.cfg.Index.DeletePolicy(namespace, name)
		delete(e.known.policies, podName{namespace, name})
		return false
	})
}

// change does what the API server has told, and asks for a pass: soon, or at once if it is urgent.
func (e *Enforcer) change(do func() (urgent bool)) {
	e.mu.Lock()
	urgent := do()
	poke := e.batch.add(time.Now(), urgent)
	e.mu.Unlock()
	if poke {
		e.worker.Poke()
	}
}

// awaited reports whether an attachment waits for the pod. Call it with mu held.
func (e *Enforcer) awaited(pod podName) bool {
	for _, a := range e.held {
		if !a.recorded && pod == (podName{a.Namespace, a.Name}) {
			return true
		}
	}
	return false
}

// What happens in the cluster comes in bursts: a rollout changes many pods, each several times. So a pass waits until
// nothing has come for quiet, but no longer than most.
const (
	quiet = 20 * time.Millisecond
	most  = 100 * time.Millisecond
)

// batch is what has come since the last pass. The zero value is nothing.
type batch struct {
	first, last time.Time
	urgent      bool
}

// add notes that something came, and reports whether the worker has to be poked: it knows when to look at what comes
// after the first.
func (b *batch) add(now time.Time, urgent bool) (poke bool) {
	poke = b.first.IsZero() || urgent && !b.urgent
	if b.first.IsZero() {
		b.first = now
	}
	b.last, b.urgent = now, b.urgent || urgent
	return poke
}

// due returns when a pass should take the batch; zero if now.
func (b *batch) due() time.Time {
	if b.urgent || b.first.IsZero() {
		return time.Time{}
	}
	due := b.last.Add(quiet)
	if latest := b.first.Add(most); latest.Before(due) {
		return latest
	}
	return due
}
