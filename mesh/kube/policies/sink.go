// Package policies turns what the API server says of NetworkPolicies, namespaces and pods into the terms of
// mesh/policy, and tells a Sink what differs. It owns the decoding of pods, of which a large cluster has too many to
// decode in full, and what becomes of lists that are not to be believed. It makes no requests: mesh/kube does.
package policies

import "warren.mesh/mesh/policy"

// Sink is told what the cluster holds, in steps. It is called from any goroutine, by one at a time. policy.Index is
// one. What is set replaces what was there under the same name; what is deleted was set before.
type Sink interface {
	SetPod(policy.Pod)
	DeletePod(namespace, name string)
	SetNamespace(policy.Namespace)
	DeleteNamespace(name string)
	SetPolicy(policy.Policy)
	DeletePolicy(namespace, name string)
}
