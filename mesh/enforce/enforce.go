// Package enforce owns the pass that keeps NetworkPolicies on one node: which pods are attached, when their policies
// are in force, and when the two tables of them are written. It answers the CNI gate, and holds a pod closed until what
// limits it is in the kernel. It owns the interfaces that it consumes, and its worker is another than mesh/agent's, so
// that neither pass delays the other. It decides nothing about connections (mesh/policy does) and knows neither
// Kubernetes nor Linux.
package enforce

import (
	"cmp"
	"context"
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"warren.mesh/cni/gate"
	"warren.mesh/mesh"
	"warren.mesh/mesh/loop"
	"warren.mesh/mesh/nft"
	"warren.mesh/mesh/policy"
	"warren.mesh/mesh/ports"
	"warren.mesh/mesh/status"
)

// Cluster is what is watched of the cluster, as far as this package asks. What it watches it hands to the Enforcer's
// Set and Delete functions.
type Cluster interface {
	// Synced reports whether all lists have been read in full since the start. Nothing is written before.
	Synced() bool
	// Waiting says in half a sentence what is waited for from the API server; empty while all is read and followed.
	Waiting() string
	// Nodes returns the nodes that the mesh goes by, in any order, the own one included: with the addresses that it
	// lets them have, and with those that it keeps although a list lacks them. A node without a name was found on the
	// host, and no Node has announced it since. It is nil until the mesh has decided, and nothing is written before.
	Nodes() []mesh.Node
	// Problems returns what of the cluster's NetworkPolicies could not be read, in any order.
	Problems() []policy.Problem
}

// Host is the operating system's network as this package uses it. All functions may be called at the same time.
type Host interface {
	// PolicySupport returns an error that says what the kernel or nft lack for network policies, and the remedy.
	PolicySupport(ctx context.Context) error
	// IPVS reports whether kube-proxy balances by IPVS, whose packets go another way than the tables know.
	IPVS() (bool, error)
	// Bridge returns the pods' bridge with all of its ports; its name alone while there is none.
	Bridge() (ports.Bridge, error)
	// Isolated returns which addresses the table of policies isolates: elements of the sets "clients4" and "clients6"
	// for egress, "servers4" and "servers6" for ingress. None where there is no table.
	Isolated(ctx context.Context) ([]nft.Element, error)
	// SyncTables makes the two tables what the layouts say, and writes nothing if they are.
	SyncTables(ctx context.Context, ports, policy nft.Layout) (changed bool, err error)
	// EditTables changes the tables. tightens says that something is withdrawn: what was let through is judged anew.
	EditTables(ctx context.Context, ports, policy nft.Edit, tightens bool) error
	// WatchTables calls changed whenever somebody else changes the tables, the bridge or its hardware address, and
	// moved whenever the bridge has other ports than before, or may have, until ctx ends. It begins with a call of
	// moved.
	WatchTables(ctx context.Context, changed, moved func()) error
	// RemoveTables deletes both tables. Deleting absent ones succeeds.
	RemoveTables(ctx context.Context) error
	// Forget deletes the connections that conntrack knows from, to or translated to these addresses. It may take
	// seconds: an Enforcer calls it once at a time.
	Forget(addrs []netip.Addr) error
}

// Index is policy.Index: what the policies of the cluster mean for this node. Its functions are called one at a time.
type Index interface {
	SetPod(p policy.Pod)
	DeletePod(namespace, name string)
	SetNamespace(n policy.Namespace)
	DeleteNamespace(name string)
	SetPolicy(p policy.Policy)
	DeletePolicy(namespace, name string)
	SetNode(n policy.Node)
	DeleteNode(name string)
	Attach(a policy.Attached)
	Detach(namespace, name, uid string)
	// State returns the table of everything that was set; the next Commit begins there.
	State() policy.State
	// Commit returns what has changed in the table since the last call.
	Commit() policy.Edit
	// Problems returns what is asked for and cannot be kept, sorted.
	Problems() []policy.Problem
	// Input returns all that was set, for policy.Judge on the node of that name.
	Input(self string) policy.Input
	// Isolated returns how many attached pods a policy isolates, in either direction.
	Isolated() int
}

// Records are the attachments that outlive the daemon; see gate.Records.
type Records interface {
	Put(a gate.Attachment) error
	Delete(container, ifname string) error
	Load() (attachments []gate.Attachment, problems []error)
	Addrs(container, ifname string) []netip.Addr
}

// Config is what an Enforcer needs. All fields are required, but for those that say otherwise.
type Config struct {
	// Node is the own Node's name.
	Node    string
	Cluster Cluster
	Host    Host
	Index   Index
	Records Records
	// Adopt returns what was attached before there were records, sorted; nil for nothing.
	Adopt func() (attachments []gate.Attachment, problems []error)
	// Reserve reserves the addresses of running pods whose reservations are lost. It is called when a new pod has one
	// of them. Nil reserves nothing.
	Reserve func() error
	// Status is where the pass writes how it fares.
	Status *status.Board
	// Changed is called when InForce may have changed. It must not block. Nil calls nobody.
	Changed func()
	// Log receives changes; nil discards them. What fails is in Status, which logs it.
	Log *slog.Logger
	// Resync is the interval at which the tables are compared although nobody reported a change; zero is five minutes.
	Resync time.Duration
}

// Enforcer keeps the policies of one node. Make one with New.
type Enforcer struct {
	cfg    Config
	log    *slog.Logger
	worker *loop.Worker
	// dirty asks for a comparison of the whole tables: at the start, after a failure, when others changed them.
	dirty atomic.Bool
	// inForce says that the tables have been as they should once since the start.
	inForce atomic.Bool
	// loaded is closed when the records of former runs are known.
	loaded chan struct{}
	// recording is held while a record is written or deleted, so that none outlives its attachment.
	recording sync.Mutex
	// forgetting deletes the connections of addresses that are free.
	forgetting *forgetting

	mu sync.Mutex
	// known is what the API server has told that the Enforcer asks for itself.
	known known
	// held are the attachments, and changes counts what was done to them.
	held    map[gate.Key]*attachment
	changes uint64
	// given is what the index has been given of held.
	given map[podKey]policy.Attached
	batch batch
	// force is what the kernel holds; moved is closed and replaced when that changes.
	force force
	moved chan struct{}

	// The worker alone touches what follows.
	supported bool
	start     start
	nodes     map[string]policy.Node
	// nameless is how many of the nodes have no name, because no Node has announced them yet.
	nameless int
	// written is the table of ports as it was last written.
	written written
}

// New returns an Enforcer. Nothing happens before Run.
func New(cfg Config) *Enforcer {
	cfg.Resync = cmp.Or(cfg.Resync, 5*time.Minute)
	cfg.Log = cmp.Or(cfg.Log, slog.New(slog.DiscardHandler))
	if cfg.Changed == nil {
		cfg.Changed = func() {}
	}
	if cfg.Reserve == nil {
		cfg.Reserve = func() error { return nil }
	}
	e := &Enforcer{
		cfg: cfg, log: cfg.Log, loaded: make(chan struct{}), moved: make(chan struct{}),
		held: map[gate.Key]*attachment{}, given: map[podKey]policy.Attached{}, nodes: map[string]policy.Node{},
		known: newKnown(),
	}
	e.force.missing = "the daemon has just started"
	e.dirty.Store(true)
	e.forgetting = newForgetting(e.forget)
	e.worker = loop.New(cfg.Resync, e.work)
	return e
}

// Run keeps the policies until ctx ends, and leaves the tables as they are. It returns when all that it started has
// ended.
func (e *Enforcer) Run(ctx context.Context) {
	var watching sync.WaitGroup
	watching.Go(func() { e.watch(ctx) })
	e.worker.Run(ctx)
	watching.Wait()
}

// watch keeps Host.WatchTables running. While it does not run, only the resync finds what others change.
func (e *Enforcer) watch(ctx context.Context) {
	interrupted := false
	loop.Keep(ctx, func(ctx context.Context, began func()) error {
		if interrupted {
			e.contradicted()
		}
		interrupted = true
		return e.cfg.Host.WatchTables(ctx, e.contradicted, func() { began(); e.portsMoved() })
	}, func(err error) { e.warn(stepWatch, []error{err}) })
}

// contradicted asks for a comparison because others have changed the tables.
func (e *Enforcer) contradicted() {
	e.dirty.Store(true)
	e.worker.Poke()
}

// portsMoved asks for a pass at once, because the bridge has other ports than before. Twenty milliseconds later, like
// other events, it would run just when the gate asks for the pod behind the port, whose ADD would wait for two passes.
func (e *Enforcer) portsMoved() { e.change(func() (urgent bool) { return true }) }

// Poke asks for a pass because a result of Cluster has changed. It never blocks.
func (e *Enforcer) Poke() {
	e.mu.Lock()
	e.known.nodesChanged = true
	e.mu.Unlock()
	e.worker.Poke()
}

// InForce reports whether the policies have been in force since the start, so that pods can be attached.
func (e *Enforcer) InForce() bool { return e.inForce.Load() }
