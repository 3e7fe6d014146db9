package enforce

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"warren.mesh/cni/gate"
	"warren.mesh/mesh"
	"warren.mesh/mesh/nft"
	"warren.mesh/mesh/policy"
	"warren.mesh/mesh/ports"
	"warren.mesh/mesh/status"
)

// world is a node whose daemon may start and stop, with its kernel, its records and what is told of its cluster.
type world struct {
	t       *testing.T
	kernel  *kernel
	records *records
	cluster *cluster
	adopt   []gate.Attachment
	// reserved counts how often what was lost was to be reserved, and unreserved is what keeps it from that.
	reserved   int
	unreserved error
	// tell hands the cluster's objects to a daemon that has just started.
	tell func(e *Enforcer)

	*Enforcer
	board *status.Board
	log   bytes.Buffer
	// told counts how often a step has got a condition.
	told map[status.Step]int
	stop func()
}

// simulate runs test in virtual time, with a namespace shop and a cluster that has been read.
func simulate(t *testing.T, test func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{
			t: t, kernel: newKernel(), records: &records{all: map[gate.Key]gate.Attachment{}},
			cluster: &cluster{synced: true}, tell: func(*Enforcer) {}, told: map[status.Step]int{},
		}
		w.cluster.nodes = []mesh.Node{node("node-a", 1), node("node-b", 2)}
		defer func() {
			if w.stop != nil {
				w.stop()
			}
			if t.Failed() {
				t.Log(w.log.String())
			}
		}()
		test(w)
	})
}

func node(name string, n int) mesh.Node {
	return mesh.Node{
		Name: name, UID: name, PodCIDRs: []netip.Prefix{netip.MustParsePrefix(fmt.Sprintf("10.244.%d.0/24", n))},
		NodeIPs: []netip.Addr{netip.MustParseAddr(fmt.Sprintf("192.0.2.%d", n))},
	}
}

// start starts a daemon that knows nothing but what a former one has left.
func (w *world) start() {
	log := slog.New(slog.NewTextHandler(&w.log, &slog.HandlerOptions{Level: slog.LevelInfo}))
	w.board = status.NewBoard(
		status.Snapshot{Enforcement: status.Enforcement{On: true}}.Begin(time.Now()).End(time.Now()),
		func(before, after status.Snapshot) {
			for _, c := range after.Enforcement.Conditions {
				if _, told := before.Enforcement.Conditions.Of(c.Step); !told {
					w.told[c.Step]++
				}
			}
		})
	w.Enforcer = New(Config{
		Node: "node-a", Cluster: w.cluster, Host: w.kernel, Index: policy.NewIndex(),
		Records: w.records, Status: w.board, Log: log,
		Adopt:   func() ([]gate.Attachment, []error) { return w.adopt, nil },
		Reserve: func() error { w.reserved++; return w.unreserved },
	})
	w.SetNamespace(policy.Namespace{Name: "shop"})
	w.tell(w.Enforcer)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func(e *Enforcer) { e.Run(ctx); close(ended) }(w.Enforcer)
	w.stop = func() { cancel(); <-ended; w.stop = nil }
	synctest.Wait()
}

// pod returns a pod of the namespace shop on this node, with a UID of its own.
func pod(name, uid string) policy.Pod {
	return policy.Pod{
		Namespace: "shop", Name: name, UID: uid, Node: "node-a",
		Labels: policy.NewLabels(map[string]string{"app": name}),
	}
}

// attachmentOf returns what the gate tells of a pod's container, whose port is named after it.
func attachmentOf(p policy.Pod, container string, host int) gate.Attachment {
	return gate.Attachment{
		Container: container, Interface: "eth0", Namespace: p.Namespace, Name: p.Name, UID: p.UID,
		Port: "veth" + container, MAC: fmt.Sprintf("02:00:00:00:00:%02x", host), Addrs: []netip.Addr{addr(host)},
	}
}

func addr(host int) netip.Addr { return netip.MustParseAddr(fmt.Sprintf("10.244.1.%d", host)) }

// isolating returns a policy that lets nothing into the pods of a name.
func isolating(name string) policy.Policy {
	return policy.Policy{
		Namespace: "shop", Name: "closes-" + name, IsolatesIngress: true,
		Pods: policy.Selector{Requirements: []policy.Requirement{
			{Key: "app", Operator: policy.In, Values: []string{name}},
		}},
	}
}

// add makes an attachment as the gate does, and returns how long that took.
func (w *world) add(a gate.Attachment) (time.Duration, error) {
	start := time.Now()
	err := w.Attach(context.Background(), a)
	return time.Since(start), err
}

// added makes attachments that have to succeed at once.
func (w *world) added(all ...gate.Attachment) {
	w.t.Helper()
	for _, a := range all {
		if took, err := w.add(a); err != nil || took > 0 {
			w.t.Fatalf("attach %s/%s: %v after %v", a.Namespace, a.Name, err, took)
		}
	}
}

// detached detaches a container, at once.
func (w *world) detached(container string) {
	w.t.Helper()
	start := time.Now()
	if err := w.Detach(context.Background(), container, "eth0"); err != nil || time.Since(start) > 0 {
		w.t.Fatalf("detach %s: %v after %v", container, err, time.Since(start))
	}
}

// wantIdentities fails the test unless exactly these addresses and ports are known in the kernel, and the table of
// policies is that of what the daemon was told.
func (w *world) wantIdentities(want ...string) {
	w.t.Helper()
	synctest.Wait()
	if diff := cmp.Diff(want, w.kernel.identities()); diff != "" {
		w.t.Errorf("in the kernel (-want +got):\n%s", diff)
	}
	if w.Enforcer == nil || !w.InForce() {
		return
	}
	w.mu.Lock()
	table := w.cfg.Index.State().Table
	w.mu.Unlock()
	if diff := cmp.Diff(modelOf(table), w.kernel.read(table.ID)); diff != "" {
		w.t.Errorf("the table of policies (-want +got):\n%s", diff)
	}
}

// model is a table: elements, and the names of sets and chains with what they hold.
type model map[string]bool

func modelOf(l nft.Layout) model {
	m := model{}
	if err := m.apply(nft.Edit{Sets: l.Sets, Maps: l.Maps, Chains: l.Chains, Add: l.Elements}); err != nil {
		panic(err) // a layout has nothing twice
	}
	return m
}

// apply changes the model, and returns an error where the kernel would refuse.
func (m model) apply(e nft.Edit) error {
	var errs []error
	set := func(what string, there bool) {
		if m[what] == there {
			errs = append(errs, fmt.Errorf("%s: there is %v already", what, there))
		}
		m[what] = there
		if !there {
			delete(m, what)
		}
	}
	for _, s := range e.Sets {
		set("set "+s.Name, true)
	}
	for _, s := range e.Maps {
		set("map "+s.Name, true)
	}
	for _, c := range e.Chains {
		set("chain "+c.Name, true)
	}
	for _, element := range e.Remove {
		set("element "+spelled(element), false)
	}
	for _, element := range e.Add {
		set("element "+spelled(element), true)
	}
	for prefix, names := range map[string][]string{
		"chain ": e.DropChains, "map ": e.DropMaps, "set ": e.DropSets,
	} {
		for _, name := range names {
			set(prefix+name, false)
		}
	}
	return errors.Join(errs...)
}

// kernel models the two tables.
type kernel struct {
	mu     sync.Mutex
	tables map[nft.ID]model
	idents map[nft.ID]string
	bridge ports.Bridge
	// syncs, edits and tightened count calls, and writes those that changed something.
	syncs, edits, tightened, writes int
	// fail is returned by writes, unsupported by PolicySupport.
	fail, unsupported error
	// ipvs says that kube-proxy balances by IPVS, unseen why nobody can tell.
	ipvs   bool
	unseen error
	// held, where not nil, holds writes until it is closed.
	held chan struct{}
	// unwatched, where not nil, keeps the daemon from watching.
	unwatched error
	// changed and moved are those of the daemon that watches.
	changed, moved func()
	// forgotten are the addresses whose connections were deleted.
	forgotten []netip.Addr
	// readingTakes is how long Forget takes. readings counts its calls, reading those that run and atOnce the most of
	// these.
	readingTakes              time.Duration
	readings, reading, atOnce int
}

func newKernel() *kernel {
	return &kernel{tables: map[nft.ID]model{}, idents: map[nft.ID]string{}, bridge: ports.Bridge{
		Name: "warren-br0", MAC: [6]byte{2, 0, 0, 0, 0, 1},
	}}
}

func (k *kernel) PolicySupport(context.Context) error {
	return k.locked(func() error { return k.unsupported })
}

func (k *kernel) IPVS() (there bool, err error) {
	err = k.locked(func() error { there = k.ipvs; return k.unseen })
	return there, err
}

func (k *kernel) Bridge() (b ports.Bridge, err error) {
	err = k.locked(func() error { b = k.bridge; b.Ports = slices.Clone(b.Ports); return nil })
	return b, err
}

func (k *kernel) locked(do func() error) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return do()
}

// wait waits while writes are held.
func (k *kernel) wait(ctx context.Context) error {
	k.mu.Lock()
	held := k.held
	k.mu.Unlock()
	if held == nil {
		return nil
	}
	select {
	case <-held:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (k *kernel) Isolated(context.Context) (all []nft.Element, err error) {
	for what := range k.read(policy.Table) {
		fields := strings.Split(strings.TrimPrefix(what, "element "), "\x00")
		if strings.HasPrefix(fields[0], "clients") || strings.HasPrefix(fields[0], "servers") {
			all = append(all, nft.Element{Set: fields[0], Key: []string{fields[2]}})
		}
	}
	return all, nil
}

func (k *kernel) SyncTables(ctx context.Context, ports, policies nft.Layout) (changed bool, err error) {
	if err := k.wait(ctx); err != nil {
		return false, err
	}
	err = k.locked(func() error {
		k.syncs++
		if k.fail != nil {
			return k.fail
		}
		for _, l := range []nft.Layout{ports, policies} {
			want := modelOf(l)
			// The table of policies gets other chains by edits; that of ports does not.
			other := l.Family == "bridge" && k.idents[l.ID] != l.Identity()
			if other || !maps.Equal(k.tables[l.ID], want) {
				changed = true
			}
			k.tables[l.ID], k.idents[l.ID] = want, l.Identity()
		}
		if changed {
			k.writes++
		}
		return nil
	})
	return changed, err
}

func (k *kernel) EditTables(ctx context.Context, ports, policies nft.Edit, tightens bool) error {
	if err := k.wait(ctx); err != nil {
		return err
	}
	return k.locked(func() error {
		k.edits++
		if k.fail != nil {
			return k.fail
		}
		k.writes++
		if tightens {
			k.tightened++
		}
		return errors.Join(
			k.tables[nft.ID{Family: "bridge", Name: "warren"}].apply(ports),
			k.tables[nft.ID{Family: "inet", Name: "warren-policy"}].apply(policies))
	})
}

func (k *kernel) WatchTables(ctx context.Context, changed, moved func()) error {
	k.mu.Lock()
	k.changed, k.moved = changed, moved
	unwatched := k.unwatched
	k.mu.Unlock()
	if unwatched != nil {
		return unwatched
	}
	moved()
	<-ctx.Done()
	return nil
}

func (k *kernel) RemoveTables(context.Context) error {
	return k.locked(func() error {
		if k.fail == nil {
			clear(k.tables)
		}
		return k.fail
	})
}

func (k *kernel) Forget(addrs []netip.Addr) error {
	asked := slices.Clone(addrs)
	k.set(func(k *kernel) {
		k.readings++
		k.reading++
		k.atOnce = max(k.atOnce, k.reading)
	})
	time.Sleep(k.readingTakes)
	return k.locked(func() error {
		k.reading--
		k.forgotten = append(k.forgotten, asked...)
		return k.fail
	})
}

// meddle changes the tables as others may, and tells the daemon.
func (k *kernel) meddle(change func(tables map[nft.ID]model)) {
	k.mu.Lock()
	change(k.tables)
	poke := k.changed
	k.mu.Unlock()
	poke()
}

// plug makes these the bridge's ports, and tells the daemon.
func (k *kernel) plug(names ...string) {
	k.mu.Lock()
	k.bridge.Ports = names
	moved := k.moved
	k.mu.Unlock()
	moved()
}

// podless returns the ports in the kernel that no pod is known of, sorted.
func (k *kernel) podless() (all []string) {
	for what := range k.read(ports.Table) {
		if fields := strings.Split(what, "\x00"); fields[0] == "element podless" {
			all = append(all, fields[2])
		}
	}
	slices.Sort(all)
	return all
}

func (k *kernel) read(id nft.ID) model {
	k.mu.Lock()
	defer k.mu.Unlock()
	return maps.Clone(k.tables[id])
}

// counts returns how often the tables were written, and how often they were compared.
func (k *kernel) counts() (writes, syncs int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.writes, k.syncs
}

func (k *kernel) set(change func(k *kernel)) {
	k.mu.Lock()
	defer k.mu.Unlock()
	change(k)
}

// identities returns the known ports and pods of both tables, sorted.
func (k *kernel) identities() (all []string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, table := range k.tables {
		for what := range table {
			fields := strings.Split(strings.TrimPrefix(what, "element "), "\x00")
			if fields[0] == "ports" || fields[0] == "pods4" {
				all = append(all, fields[2])
			}
		}
	}
	slices.Sort(all)
	return all
}

// cluster says whether the lists have been read.
type cluster struct {
	mu      sync.Mutex
	synced  bool
	waiting string
	nodes   []mesh.Node
}

func (c *cluster) Synced() bool       { c.mu.Lock(); defer c.mu.Unlock(); return c.synced }
func (c *cluster) Waiting() string    { c.mu.Lock(); defer c.mu.Unlock(); return c.waiting }
func (c *cluster) Nodes() []mesh.Node { c.mu.Lock(); defer c.mu.Unlock(); return c.nodes }

func (c *cluster) Problems() []policy.Problem {
	return []policy.Problem{{Kind: "NetworkPolicy", Namespace: "shop", Name: "odd", Field: "spec", Reason: "it is odd"}}
}

// tell has Nodes return others.
func (c *cluster) tell(nodes []mesh.Node) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.nodes = nodes
}

func (c *cluster) set(synced bool, waiting string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.synced, c.waiting = synced, waiting
}

// records are gate.Records in memory.
type records struct {
	mu   sync.Mutex
	all  map[gate.Key]gate.Attachment
	fail error
	// buried have a tombstone.
	buried []gate.Key
	// held, where not nil, holds Put until it is closed.
	held chan struct{}
}

func (r *records) Put(a gate.Attachment) error {
	if r.held != nil {
		<-r.held
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.fail == nil {
		r.all[a.Key()] = a
	}
	return r.fail
}

func (r *records) Delete(container, ifname string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.all, gate.Key{Container: container, Interface: ifname})
	return nil
}

func (r *records) Load() (all []gate.Attachment, problems []error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for key, a := range r.all {
		if !slices.Contains(r.buried, key) {
			all = append(all, a)
		}
	}
	slices.SortFunc(all, func(a, b gate.Attachment) int { return strings.Compare(a.Container, b.Container) })
	return all, nil
}

func (r *records) Addrs(container, ifname string) []netip.Addr {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.all[gate.Key{Container: container, Interface: ifname}].Addrs
}

func (r *records) containers() (all []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for key := range r.all {
		all = append(all, key.Container)
	}
	slices.Sort(all)
	return all
}
