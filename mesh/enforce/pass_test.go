package enforce

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"warren.mesh/cni/gate"
	"warren.mesh/keys"
	"warren.mesh/mesh"
	"warren.mesh/mesh/nft"
	"warren.mesh/mesh/policy"
	"warren.mesh/mesh/status"
)

// running starts a node with two attached pods, one of which is isolated.
func running(w *world) (web, db policy.Pod) {
	web, db = pod("web", "1"), pod("db", "2")
	w.tell = func(e *Enforcer) {
		e.SetPod(web)
		e.SetPod(db)
		e.SetPolicy(isolating("db"))
	}
	w.start()
	w.added(attachmentOf(web, "a", 2), attachmentOf(db, "b", 3))
	return web, db
}

// A daemon that ends and returns writes nothing, and knows its pods without the API server.
func TestRestartWritesNothing(t *testing.T) {
	simulate(t, func(w *world) {
		running(w)
		w.stop()
		before, _ := w.kernel.counts()
		w.start()
		w.wantIdentities("10.244.1.2", "10.244.1.3", "vetha", "vethb")
		if after, _ := w.kernel.counts(); after != before {
			t.Errorf("%d writes", after-before)
		}
		if !w.InForce() || w.board.Snapshot().Unready() != nil {
			t.Errorf("not ready: %v", w.board.Snapshot().Unready())
		}
		if e := w.board.Snapshot().Enforcement; e.Edits != 0 || e.Attached != 2 || e.Isolated != 1 || e.Policies != 1 {
			t.Errorf("%+v", e)
		}
	})
}

// Until all lists have been read, the tables stay, no pod is attached, and one that ends is forgotten at once.
func TestFrozenUntilTheListsAreIn(t *testing.T) {
	simulate(t, func(w *world) {
		web, _ := running(w)
		w.stop()
		before, _ := w.kernel.counts()
		const waiting = "the list of NetworkPolicies: connection refused"
		w.cluster.set(false, waiting)
		w.tell = func(e *Enforcer) { e.SetPod(web) }
		w.start()
		w.DeletePolicy("shop", "closes-db")
		_, err := w.add(attachmentOf(web, "c", 4))
		wantError(t, err, "pod shop/web is held closed: "+waiting)
		if err := w.Ready(context.Background()); err != nil {
			t.Errorf("STATUS, which takes the pods that run out of their Services: %v", err)
		}
		w.detached("a")
		time.Sleep(10 * time.Minute) // beyond a resync
		w.wantIdentities("10.244.1.2", "10.244.1.3", "vetha", "vethb")
		if after, _ := w.kernel.counts(); after != before || w.InForce() {
			t.Errorf("%d writes, in force: %v", after-before, w.InForce())
		}
		if s := w.board.Snapshot(); !strings.Contains(fmt.Sprint(s.Unready()), "policy lists: waiting for "+waiting) {
			t.Errorf("/readyz: %v", s.Unready())
		}
		w.cluster.set(true, "")
		w.Poke()
		w.wantIdentities("vethb") // db is not known to the API server any more
		w.wantRecords("b")
	})
}

// A node without pods, as after a reboot, is not ready before the lists are read: none of its pods would start.
func TestListsAreAwaitedAfterABoot(t *testing.T) {
	simulate(t, func(w *world) {
		const waiting = "the list of NetworkPolicies: connection refused"
		w.cluster.set(false, waiting)
		w.start()
		wantError(t, w.Ready(context.Background()), waiting)
		w.cluster.set(true, "")
		w.Poke()
		if err := w.Ready(context.Background()); err != nil {
			t.Errorf("STATUS: %v", err)
		}
	})
}

// An outage after the lists were read changes nothing: what was known holds, also for a pod that is attached anew.
func TestOutageFreezes(t *testing.T) {
	simulate(t, func(w *world) {
		_, db := running(w)
		before, _ := w.kernel.counts()
		w.cluster.set(true, "the API server: connection refused")
		w.Poke()
		time.Sleep(time.Hour)
		if after, _ := w.kernel.counts(); after != before {
			t.Errorf("%d writes", after-before)
		}
		if !w.InForce() || w.Ready(context.Background()) != nil {
			t.Error("what was in force is so no more")
		}
		w.added(attachmentOf(db, "c", 5))
		w.wantIdentities("10.244.1.2", "10.244.1.5", "vetha", "vethc")
	})
}

// A list without the own Node is that of another store: addresses of other nodes keep their meaning.
func TestNodesWithoutTheOwnOneAreNone(t *testing.T) {
	simulate(t, func(w *world) {
		running(w)
		for _, nodes := range [][]mesh.Node{nil, {node("node-b", 2)}, {node("node-a", 1)}} {
			w.cluster.mu.Lock()
			w.cluster.nodes = nodes
			w.cluster.mu.Unlock()
			w.Poke()
			synctest.Wait()
			want := 2
			if len(nodes) == 1 && nodes[0].Name == "node-a" {
				want = 1
			}
			if got := len(w.nodes); got != want {
				t.Errorf("%d nodes after a list of %d", got, len(nodes))
			}
		}
	})
}

// Until the mesh has decided about its nodes, which a daemon that starts does from what it finds on the host, nothing
// is written: policies that name pods of other nodes would refuse them.
func TestNodesAreAwaited(t *testing.T) {
	simulate(t, func(w *world) {
		remote := pod("far", "9")
		remote.Node, remote.Addrs = "node-b", []netip.Addr{netip.MustParseAddr("10.244.2.9")}
		lets := isolating("db")
		lets.Ingress = []policy.Rule{{AllPorts: true, Peers: []policy.Peer{{Pods: &policy.Selector{}}}}}
		running(w)
		tell := w.tell
		w.tell = func(e *Enforcer) { tell(e); e.SetPod(remote); e.SetPolicy(lets) }
		w.stop()
		w.start()
		nodes, before := w.cluster.Nodes(), w.kernel.read(policy.Table)
		w.stop()
		w.cluster.tell(nil)
		w.start()
		time.Sleep(10 * time.Minute)
		if diff := cmp.Diff(before, w.kernel.read(policy.Table)); diff != "" || w.InForce() {
			t.Errorf("in force: %t; (-before +after):\n%s", w.InForce(), diff)
		}
		_, err := w.add(attachmentOf(pod("web", "1"), "c", 4))
		wantError(t, err, "the mesh has not decided yet which nodes are in it")
		if err := w.Ready(context.Background()); err != nil {
			t.Errorf("STATUS, which takes the pods that run out of their Services: %v", err)
		}
		const says = "policy nodes: waiting for the mesh to decide which nodes are in it"
		if s := fmt.Sprint(w.board.Snapshot().Unready()); !strings.Contains(s, says) {
			t.Errorf("/readyz: %s", s)
		}
		w.cluster.tell(nodes)
		w.Poke()
		synctest.Wait()
		if diff := cmp.Diff(before, w.kernel.read(policy.Table)); diff != "" || !w.InForce() {
			t.Errorf("in force: %t; (-before +after):\n%s", w.InForce(), diff)
		}
		if err := w.Ready(context.Background()); err != nil || w.board.Snapshot().Unready() != nil {
			t.Errorf("STATUS: %v; /readyz: %v", err, w.board.Snapshot().Unready())
		}
	})
}

// A node without pods, as after a reboot, is not ready before the mesh has decided: none of its pods would start.
func TestNodesAreAwaitedAfterABoot(t *testing.T) {
	simulate(t, func(w *world) {
		w.cluster.tell(nil)
		w.start()
		wantError(t, w.Ready(context.Background()), "the mesh has not decided yet which nodes are in it")
	})
}

// A node has a gateway in a block that covers its InternalIP; it has those of its addresses that the mesh lets it have.
// One without a name, which a daemon has found on its host, counts with its ranges and gateways.
func TestNodesOfTheMesh(t *testing.T) {
	simulate(t, func(w *world) {
		p := isolating("db")
		p.Ingress = []policy.Rule{{AllPorts: true, Peers: []policy.Peer{
			{Block: &policy.Block{CIDR: netip.MustParsePrefix("192.0.2.2/32")}},
		}}}
		running(w)
		w.SetPolicy(p)
		gateways := func() (n int) {
			for what := range w.kernel.read(policy.Table) {
				if strings.Contains(what, "10.244.2.1") {
					n++
				}
			}
			return n
		}
		time.Sleep(time.Second)
		if gateways() != 1 {
			t.Errorf("the gateway of node-b is in %d sets", gateways())
		}
		nameless := node("", 2)
		nameless.PublicKey = keys.Public{1}
		w.cluster.tell([]mesh.Node{node("node-a", 1), nameless})
		w.Poke()
		synctest.Wait()
		if gateways() != 1 {
			t.Errorf("the gateway of a node without a name is in %d sets", gateways())
		}
		nameless.NodeIPs = nil
		w.cluster.tell([]mesh.Node{node("node-a", 1), nameless})
		w.Poke()
		synctest.Wait()
		if gateways() != 0 {
			t.Errorf("the gateway of a node without the address is in %d sets", gateways())
		}
	})
}

// Pods that were there before the gate are adopted, and the tables turned on in one transaction.
func TestAdoption(t *testing.T) {
	simulate(t, func(w *world) {
		web, db := pod("web", "1"), pod("db", "2")
		w.tell = func(e *Enforcer) {
			e.SetPod(web)
			e.SetPod(db)
			e.SetPolicy(isolating("db"))
		}
		w.adopt = []gate.Attachment{attachmentOf(web, "a", 2), attachmentOf(db, "b", 3)}
		w.start()
		w.wantIdentities("10.244.1.2", "10.244.1.3", "vetha", "vethb")
		if writes, syncs := w.kernel.counts(); writes != 1 || syncs != 1 {
			t.Errorf("%d writes and %d comparisons", writes, syncs)
		}
		w.wantRecords("a", "b")
		w.stop()
		w.start()
		if writes, _ := w.kernel.counts(); writes != 1 {
			t.Errorf("%d writes after a restart", writes)
		}
		if n := strings.Count(w.log.String(), "pod adopted"); n != 2 {
			t.Errorf("adoption is logged %d times", n)
		}
	})
}

// The daemon dies after the kernel has the pod and before it is recorded: ADD has failed, and nothing is left.
func TestCrashBetweenAddAndRecord(t *testing.T) {
	simulate(t, func(w *world) {
		running(w)
		w.SetPod(pod("late", "3"))
		w.records.held = make(chan struct{}) // the record is under way
		ended := make(chan error)
		ctx, cancel := context.WithCancel(context.Background())
		go func(e *Enforcer) { ended <- e.Attach(ctx, attachmentOf(pod("late", "3"), "c", 4)) }(w.Enforcer)
		time.Sleep(time.Millisecond)
		if got := len(w.kernel.identities()); got != 6 {
			t.Errorf("%d identities in the kernel", got)
		}
		w.stop()
		cancel()
		close(w.records.held)
		if err := <-ended; err != nil {
			t.Error(err)
		}
		_ = w.records.Delete("c", "eth0") // the daemon of this test has not lived to write it
		w.start()
		w.wantIdentities("10.244.1.2", "10.244.1.3", "vetha", "vethb")
	})
}

// A write that fails is repaired by a comparison of the whole, again and again; ADD says why.
func TestFailedWrites(t *testing.T) {
	simulate(t, func(w *world) {
		running(w)
		late := pod("late", "3")
		w.SetPod(late)
		time.Sleep(time.Second)
		w.kernel.set(func(k *kernel) { k.fail = errors.New("nft: no buffer space available") })
		_, before := w.kernel.counts()
		_, err := w.add(attachmentOf(late, "c", 4))
		wantError(t, err, "no buffer space")
		wantError(t, w.Ready(context.Background()), "no buffer space")
		if s := w.board.Snapshot(); !strings.Contains(fmt.Sprint(s.Unready()), "policy tables: nft: no buffer space") {
			t.Errorf("/readyz: %v", s.Unready())
		}
		time.Sleep(time.Hour)
		if _, after := w.kernel.counts(); after-before < 100 || after-before > 400 {
			t.Errorf("%d comparisons in an hour of failures", after-before)
		}
		w.kernel.set(func(k *kernel) { k.fail = nil })
		time.Sleep(time.Minute)
		w.wantIdentities("10.244.1.2", "10.244.1.3", "vetha", "vethb")
		w.added(attachmentOf(late, "d", 4))
		w.wantIdentities("10.244.1.2", "10.244.1.3", "10.244.1.4", "vetha", "vethb", "vethd")
	})
}

// What others change in the tables is put right at once.
func TestOthersChangeTheTables(t *testing.T) {
	simulate(t, func(w *world) {
		running(w)
		w.kernel.meddle(func(tables map[nft.ID]model) { clear(tables) })
		w.wantIdentities("10.244.1.2", "10.244.1.3", "vetha", "vethb")
		if n := strings.Count(w.log.String(), "put right"); n != 1 {
			t.Errorf("logged %d times", n)
		}
	})
}

func TestBridgeMACChanges(t *testing.T) {
	simulate(t, func(w *world) {
		running(w)
		before := w.kernel.idents[nft.ID{Family: "bridge", Name: "warren"}]
		w.kernel.set(func(k *kernel) { k.bridge.MAC[5] = 9 })
		w.Poke()
		synctest.Wait()
		if after := w.kernel.idents[nft.ID{Family: "bridge", Name: "warren"}]; after == before {
			t.Error("the table has the bridge's former address")
		}
		w.wantIdentities("10.244.1.2", "10.244.1.3", "vetha", "vethb")
	})
}

// Ports of the bridge of which no pod is known are told to the kernel; an ADD takes its port from
// them, and DEL gives it back until the interface is gone. A daemon that starts again writes nothing.
func TestPodlessPorts(t *testing.T) {
	simulate(t, func(w *world) {
		web, _ := running(w)
		want := func(when string, ports ...string) {
			t.Helper()
			time.Sleep(most)
			synctest.Wait()
			if d := cmp.Diff(ports, w.kernel.podless()); d != "" {
				t.Errorf("%s (-want +got):\n%s", when, d)
			}
		}
		_, compared := w.kernel.counts()
		w.kernel.plug("vetha", "vethb")
		want("all are known")
		w.kernel.plug("vetha", "vethb", "vethc", "tap0")
		want("two came", "tap0", "vethc")
		w.added(attachmentOf(web, "c", 4))
		want("a pod is attached, in the place of an older one", "tap0", "vetha")
		w.detached("c")
		want("it is detached", "tap0", "vetha", "vethc")
		w.kernel.plug("vethb", "tap0")
		want("two ports went", "tap0")
		if _, after := w.kernel.counts(); after != compared {
			t.Errorf("the whole tables were compared %d times", after-compared)
		}
		before, _ := w.kernel.counts()
		w.stop()
		w.start()
		want("after a restart", "tap0")
		if after, _ := w.kernel.counts(); after != before {
			t.Errorf("%d writes by a restart", after-before)
		}
		w.kernel.meddle(func(tables map[nft.ID]model) { clear(tables) })
		want("put right", "tap0")
	})
}

// A port that comes is told to the kernel at once: the ADD of the pod behind it follows, and would wait for a pass that
// began after the rest that events of the cluster have.
func TestPortsAreToldAtOnce(t *testing.T) {
	simulate(t, func(w *world) {
		running(w)
		w.kernel.plug("vetha", "vethb", "vethc")
		synctest.Wait()
		if d := cmp.Diff([]string{"vethc"}, w.kernel.podless()); d != "" {
			t.Errorf("(-want +got):\n%s", d)
		}
	})
}

// Events of the cluster make a write each 20 to 100 ms together; an ADD does not wait for that.
func TestBatches(t *testing.T) {
	simulate(t, func(w *world) {
		running(w)
		before, _ := w.kernel.counts()
		for n := range 100 {
			w.SetPolicy(policy.Policy{
				Namespace: "shop", Name: fmt.Sprint("p", n), IsolatesIngress: true,
				Pods: isolating("web").Pods,
			})
			time.Sleep(10 * time.Millisecond)
		}
		time.Sleep(time.Second)
		if after, _ := w.kernel.counts(); after-before < 9 || after-before > 12 {
			t.Errorf("%d writes for 100 events in a second", after-before)
		}
		before, _ = w.kernel.counts()
		w.SetPolicy(isolating("web"))
		time.Sleep(19 * time.Millisecond)
		if after, _ := w.kernel.counts(); after != before {
			t.Error("a single event is written before 20 ms")
		}
		time.Sleep(time.Millisecond)
		synctest.Wait()
		if after, _ := w.kernel.counts(); after != before+1 {
			t.Errorf("%d writes after 20 ms", after-before)
		}
		w.SetPod(pod("late", "3"))
		w.added(attachmentOf(pod("late", "3"), "c", 4))
		w.wantIdentities("10.244.1.2", "10.244.1.3", "10.244.1.4", "vetha", "vethb", "vethc")
	})
}

// What withdraws something is written as such; pure additions are not.
func TestTighteningIsSaid(t *testing.T) {
	simulate(t, func(w *world) {
		running(w)
		before := w.kernel.tightened
		w.SetPolicy(isolating("web"))
		time.Sleep(time.Second)
		if w.kernel.tightened != before+1 {
			t.Errorf("a pod becomes isolated: %d edits tighten", w.kernel.tightened-before)
		}
		w.DeletePolicy("shop", "closes-web")
		time.Sleep(time.Second)
		if w.kernel.tightened != before+1 {
			t.Error("the withdrawal of a policy tightens")
		}
		w.wantIdentities("10.244.1.2", "10.244.1.3", "vetha", "vethb")
	})
}

// A host that cannot keep policies says so, with the remedy, and attaches no pod.
func TestUnsupported(t *testing.T) {
	simulate(t, func(w *world) {
		w.kernel.unsupported = errors.New("no nftables tables of family bridge: set --network-policy=off")
		w.start()
		const remedy = "no nftables tables of family bridge: set --network-policy=off"
		if s := fmt.Sprint(w.board.Snapshot().Unready()); !strings.Contains(s, remedy) {
			t.Errorf("/readyz: %s", s)
		}
		wantError(t, w.Ready(context.Background()), remedy)
		if writes, _ := w.kernel.counts(); writes != 0 || w.InForce() {
			t.Errorf("%d writes, in force: %v", writes, w.InForce())
		}
		w.kernel.set(func(k *kernel) { k.unsupported = nil }) // a module that was loaded
		time.Sleep(time.Minute)
		if !w.InForce() || w.board.Snapshot().Unready() != nil {
			t.Errorf("not ready: %v", w.board.Snapshot().Unready())
		}
	})
}

func TestProblemsAreTold(t *testing.T) {
	simulate(t, func(w *world) {
		running(w)
		p := isolating("web")
		p.Pods.Requirements[0].Operator = "Resembles"
		w.SetPolicy(p)
		time.Sleep(time.Second)
		e := w.board.Snapshot().Enforcement
		if e.ProblemCount != 2 || e.Problems[0].Name != "closes-web" || e.Problems[1].Name != "odd" {
			t.Errorf("%+v", e.Problems)
		}
		if warnings := w.board.Snapshot().Warnings(); len(warnings) != 1 || w.board.Snapshot().Unready() != nil {
			t.Errorf("warnings %q, not ready: %v", warnings, w.board.Snapshot().Unready())
		}
	})
}

// With kube-proxy in IPVS mode packets to Services go around the tables. The node says so, once, and stays ready.
func TestIPVSIsTold(t *testing.T) {
	simulate(t, func(w *world) {
		running(w)
		w.kernel.set(func(k *kernel) { k.ipvs = true })
		for range 3 {
			w.kernel.plug("kube-ipvs0") // an interface has come
			time.Sleep(time.Second)
		}
		s := w.board.Snapshot()
		if warnings := s.Warnings(); s.Unready() != nil || !slices.ContainsFunc(warnings, func(text string) bool {
			return strings.HasPrefix(text, "policy services: kube-proxy is in IPVS mode")
		}) {
			t.Errorf("warnings %q, not ready: %q", warnings, s.Unready())
		}
		w.kernel.set(func(k *kernel) { k.ipvs = false })
		time.Sleep(6 * time.Minute) // a resync
		if _, there := w.board.Snapshot().Enforcement.Conditions.Of(status.StepServices); there {
			t.Error("told of what is gone")
		}
	})
}

// Where nobody could look for IPVS, the node says that instead, and it looks although it cannot keep policies.
func TestIPVSIsLookedFor(t *testing.T) {
	simulate(t, func(w *world) {
		w.kernel.set(func(k *kernel) { k.ipvs, k.unsupported = true, errors.New("no tables of family bridge") })
		w.start()
		conditions := func() status.Conditions { return w.board.Snapshot().Enforcement.Conditions }
		if _, there := conditions().Of(status.StepServices); !there {
			t.Error("not told of IPVS")
		}
		w.kernel.set(func(k *kernel) { k.ipvs, k.unsupported, k.unseen = false, nil, errors.New("netlink is away") })
		time.Sleep(6 * time.Minute) // a resync
		c, there := conditions().Of(status.StepServicesUnread)
		if want := "look for kube-proxy's interface of IPVS: netlink is away"; !there || c.Reason != want {
			t.Errorf("%+v, want %s", c, want)
		}
		if _, there := conditions().Of(status.StepServices); there || w.board.Snapshot().Unready() != nil {
			t.Errorf("IPVS, where nobody looked: %t; not ready: %q", there, w.board.Snapshot().Unready())
		}
		w.kernel.set(func(k *kernel) { k.unseen = nil })
		time.Sleep(6 * time.Minute)
		if _, there := conditions().Of(status.StepServicesUnread); there {
			t.Error("told of what is gone")
		}
	})
}

func TestTurnOff(t *testing.T) {
	simulate(t, func(w *world) {
		running(w)
		w.stop()
		w.kernel.set(func(k *kernel) { k.fail = errors.New("no nft") })
		board := status.NewBoard(status.Snapshot{}, func(status.Snapshot, status.Snapshot) {})
		ended := make(chan struct{})
		go func() {
			TurnOff(context.Background(), Config{Host: w.kernel, Records: w.records, Status: board})
			close(ended)
		}()
		time.Sleep(time.Second)
		if diff := cmp.Diff("no nft", board.Snapshot().Enforcement.Conditions[0].Reason); diff != "" {
			t.Error(diff)
		}
		w.kernel.set(func(k *kernel) { k.fail = nil })
		<-ended
		w.Enforcer = nil
		w.wantIdentities()
		w.wantRecords()
		if len(board.Snapshot().Enforcement.Conditions) != 0 {
			t.Error("it is done, and still failing")
		}
	})
}

// A gate that cannot be served makes the node unready, and says so once, whatever else goes well.
func TestGateIsNotServed(t *testing.T) {
	simulate(t, func(w *world) {
		w.start()
		w.Serves(errors.New("file exists"))
		w.Serves(errors.New("file exists"))
		const want = "policy gate: no pod can be attached: file exists"
		if s := w.board.Snapshot(); !slices.Contains(s.Unready(), want) {
			t.Errorf("unready because of %q, want %q", s.Unready(), want)
		}
		w.Serves(nil)
		if reasons := w.board.Snapshot().Unready(); reasons != nil {
			t.Errorf("unready because of %q", reasons)
		}
	})
}

// A watch that cannot begin is told once, however often it is tried, until it has begun.
func TestWatchThatCannotBeginIsToldOnce(t *testing.T) {
	simulate(t, func(w *world) {
		w.kernel.unwatched = errors.New("no buffer space")
		w.start()
		time.Sleep(time.Hour)
		c, _ := w.board.Snapshot().Enforcement.Conditions.Of(stepWatch)
		if times := w.told[stepWatch]; times != 1 || c.State != status.Warning || c.Reason != "no buffer space" {
			t.Errorf("told %d times, now %v", times, c)
		}
		w.kernel.set(func(k *kernel) { k.unwatched = nil })
		time.Sleep(time.Minute)
		if c, told := w.board.Snapshot().Enforcement.Conditions.Of(stepWatch); told {
			t.Errorf("it has begun, and is told to be %v", c)
		}
	})
}
