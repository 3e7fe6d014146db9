package lab

import (
	"net/netip"
	"time"

	corev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"
)

// Lab is one running cluster.
type Lab struct {
	// Outside is a host beyond the underlay's router, reachable from the nodes only: what pods reach by masquerade.
	Outside *Host
	// Control is the network namespace of the API server and of the underlay's bridge and router.
	Control *Host
	// Dir holds logs, disks, certificates and kubeconfigs.
	Dir string

	options Options
	nodes   []*Node
}

// Start builds what is missing, starts a lab and its nodes' machines, but neither devices nor daemons, and closes it when
// the test ends. Logs are kept, and their place is logged, when the test has failed.
func Start(t TB, o Options) *Lab { panic("skeleton") }

// Close ends every process of the lab and removes what it left. It may be called twice.
func (l *Lab) Close() error { panic("skeleton") }

// Nodes are the nodes in the order in which they joined, without those that were removed.
func (l *Lab) Nodes() []*Node { return l.nodes }

// Node is the node called "node" + number.
func (l *Lab) Node(number int) *Node { panic("skeleton") }

// AddNode starts another node's machine and registers its Node object; neither device nor daemon is started.
func (l *Lab) AddNode(t TB, o NodeOptions) *Node { panic("skeleton") }

// StartMesh starts device and daemon on every node, all at once, and waits until all are ready and have programmed each
// other.
func (l *Lab) StartMesh(t TB, daemonArgs ...string) { panic("skeleton") }

// ClusterCIDRs are the ranges that pod CIDRs come from, one a family: 10.244.0.0/16 and fd00:10:244::/48.
func (l *Lab) ClusterCIDRs() []netip.Prefix { panic("skeleton") }

// ServiceCIDRs are the ranges of Services, one a family: 10.96.0.0/16 and fd00:10:96::/112.
func (l *Lab) ServiceCIDRs() []netip.Prefix { panic("skeleton") }

// StopAPI ends the API server (etcd stays): connections are refused from then on.
func (l *Lab) StopAPI(t TB) { panic("skeleton") }

// StartAPI starts the API server again and waits until it is ready.
func (l *Lab) StartAPI(t TB) { panic("skeleton") }

// Config is the administrator's way to the API server from this process; connections are opened in the lab's network.
func (l *Lab) Config() *rest.Config { panic("skeleton") }

// Core is the administrator's client.
func (l *Lab) Core() corev1.CoreV1Interface { panic("skeleton") }

// Kubectl runs the real kubectl as administrator, with input on its standard input, and returns what it printed.
func (l *Lab) Kubectl(t TB, input string, args ...string) string { panic("skeleton") }

// Audit is what the API server was asked so far, in order, by anybody but itself and the controllers.
func (l *Lab) Audit(t TB) []Request { panic("skeleton") }

// Request is one entry of the audit log.
type Request struct {
	Time time.Time
	// User is the user name, Node the node-name claim of the token (empty without one).
	User, Node string
	// Verb is lower case: get, list, watch, patch, apply is patch, …
	Verb string
	// Resource, Subresource and Name are of the object; empty for non-resource paths.
	Resource, Subresource, Name string
	// Code is the HTTP status.
	Code int
}

// Wait polls until condition returns nil and says how long that took; after within it fails the test with what the
// condition said last. It is the one place where tests wait for something that cannot be waited for otherwise.
func Wait(t TB, within time.Duration, what string, condition func() error) time.Duration {
	panic("skeleton")
}
