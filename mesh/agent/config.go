package agent

import (
	"cmp"
	"context"
	"log/slog"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"warren.mesh/mesh"
	"warren.mesh/mesh/loop"
	"warren.mesh/mesh/status"
)

// DefaultResync is how often the agent observes the host in full although nobody reported a change. Host.Watch reports
// what others change; the resync is for what it misses.
const DefaultResync = 5 * time.Minute

// DefaultMassRemovalDelay is how long the loss of more than half of the peers at once is held: enough for an operator
// to see that the API server has lost its store and to take it away.
const DefaultMassRemovalDelay = 5 * time.Minute

// Config is what an Agent needs. Cluster, Host, Attachments and Key are required.
type Config struct {
	// Node is the own Node's name.
	Node string
	// Mesh is the operator's configuration; an MTU of zero follows the underlay's, less what WireGuard adds.
	Mesh        mesh.Config
	Key         Key
	Cluster     Cluster
	Host        Host
	Attachments Attachments
	// Plugins are what executes Attachments; nil has nobody look after them.
	Plugins Plugins
	// Lost returns an error, with the remedy, while a directory of the host is gone in a way from which only a restart
	// of the daemon's container recovers; nil where there is none.
	Lost func() error
	// PolicyCounters returns the counters of the tables of network policies by name, in packets; nil where they are not
	// kept. The metrics ask at most once in five seconds.
	PolicyCounters func(ctx context.Context) (map[string]uint64, error)
	// Link reads the mesh's interface, and KeyWritten returns when the private key's file was written. They are for the
	// metrics, which ask at most once in five seconds; nil has none of it.
	Link       func() (Link, error)
	KeyWritten func() (time.Time, error)
	// InForce reports whether network policies are in force, so that pods can be attached; another pass sees to that,
	// and writes how it fares to Status. Nil is for a node that keeps none.
	InForce func() bool
	// Programmed takes what the host is known to have, after each pass; nil for nobody. It must not block.
	Programmed func(mesh.State)
	// Nodes takes the nodes of the mesh whenever they may have changed, before the host has them: as the mesh accepts
	// them, and with those that are held; see mesh.State.Nodes. Nil is for nobody. It must not block.
	Nodes func([]mesh.Node)
	// Events takes what is told about the own Node; nil has nothing told.
	Events Teller
	// Probes returns what probes of the peers have found out; nil where there are none.
	Probes func() status.Probes
	// Log receives changes and failures; nil discards them.
	Log *slog.Logger
	// Resync is the interval between full observations; zero means DefaultResync.
	Resync time.Duration
	// MassRemovalDelay is how long the loss of many peers at once is held; zero means not at all. See mesh.Brake.
	MassRemovalDelay time.Duration
	// Version is warren's own. The metrics give it.
	Version string
	// Backend is "kernel" or "userspace", and BackendReason why that was chosen. The log gives both once, and the
	// metrics and /readyz always.
	Backend, BackendReason string
}

// Agent keeps one node in the mesh. Make one with New.
type Agent struct {
	cfg    Config
	log    *slog.Logger
	worker *loop.Worker
	host   *reconciler
	// status is what the worker and the watch write, and log, metrics and health read.
	status  *status.Board
	metrics http.Handler
	// counters are the host's, link is its mesh interface, and readings are those of its device's peers.
	counters *hostCounters
	link     linkMetrics
	readings readings
	// teller tells Events, and devices is for it.
	teller  teller
	devices devices
	// firewallsChanged says that others may have changed the host's firewalls.
	firewallsChanged atomic.Bool
	// background is what is under way beside the worker, handshakes and a question; Run waits for it.
	background sync.WaitGroup

	// The worker alone touches what follows.
	announced pendingWrite[announcement]
	available pendingWrite[availability]
	// question is what the API server was asked last, nil once the answer was taken.
	question *question
	// policyCheck is when to ask whether there are admission policies.
	policyCheck pendingWrite[string]
	changes     changeLog
	underlay    underlay
	hostPorts   hostPorts
	// pluginsChanged asks for a comparison of the plugins. Any goroutine may set it.
	pluginsChanged atomic.Bool
	// gated says whether network policies have been in force.
	gated bool
	// surveyed says whether survey has looked for pods outside the pod CIDRs.
	surveyed bool
}

// New returns an Agent. Nothing happens before Run.
func New(cfg Config) *Agent {
	cfg.Resync = cmp.Or(cfg.Resync, DefaultResync)
	cfg.Log = cmp.Or(cfg.Log, slog.New(slog.DiscardHandler))
	host := newReconciler(cfg.Host, cfg.MassRemovalDelay)
	if cfg.Nodes != nil {
		host.through = func(s mesh.State) { cfg.Nodes(s.Nodes(cfg.Node)) }
	}
	a := &Agent{cfg: cfg, log: cfg.Log, host: host, changes: changeLog{log: cfg.Log}}
	a.worker, a.teller.agent = loop.New(cfg.Resync, a.work), a
	first := status.Snapshot{
		Node:        cfg.Node,
		Daemon:      status.Daemon{Version: cfg.Version, Backend: cfg.Backend, BackendReason: cfg.BackendReason},
		Enforcement: status.Enforcement{On: cfg.InForce != nil},
		// A copy that is not nil: without any, it says that there are none.
		ClusterCIDRs: append([]netip.Prefix{}, cfg.Mesh.ClusterCIDRs...),
	}
	a.status = status.NewBoard(first, func(before, after status.Snapshot) { logStatus(cfg.Log, before, after) })
	a.firewallsChanged.Store(true)
	a.counters, a.link = newHostCounters(cfg.Host, cfg.PolicyCounters), newLinkMetrics(cfg)
	a.metrics = newMetrics(statusMetrics{a.status, &a.readings}, enforcementMetrics{a.status}, a.counters,
		a.link, &a.teller.counts, probeMetrics{cfg.Probes})
	return a
}

// Status returns what log, metrics and health read. Who makes other passes writes how they fare there.
func (a *Agent) Status() *status.Board { return a.status }
