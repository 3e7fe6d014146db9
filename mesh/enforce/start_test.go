package enforce

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"warren.mesh/keys"
	"warren.mesh/mesh"
	"warren.mesh/mesh/policy"
)

// restarted has a daemon of running's node end and start with what a store that was put back in part tells: all pods,
// but not the policy.
func restarted(w *world) (before model) {
	web, db := running(w)
	w.stop()
	w.tell = func(e *Enforcer) { e.SetPod(web); e.SetPod(db) }
	before = w.kernel.read(policy.Table)
	w.start()
	return before
}

// kept fails the test unless the table of policies is as it was, /readyz says why, and the node's pods may stay.
func kept(w *world, before model, reason string) {
	w.t.Helper()
	synctest.Wait()
	if diff := cmp.Diff(before, w.kernel.read(policy.Table)); diff != "" || w.InForce() {
		w.t.Errorf("in force: %t; (-before +after):\n%s", w.InForce(), diff)
	}
	if err := w.Ready(context.Background()); err != nil {
		w.t.Errorf("STATUS, which takes the pods that run out of their Services: %v", err)
	}
	if s := fmt.Sprint(w.board.Snapshot().Unready()); !strings.Contains(s, "policy start: waiting for "+reason) {
		w.t.Errorf("/readyz: %s", s)
	}
}

// isolatedDB reports whether db's address is isolated in the kernel.
func isolatedDB(w *world) bool {
	synctest.Wait()
	all, _ := w.kernel.Isolated(context.Background())
	return len(all) == 1 && all[0].Set == "servers4" && all[0].Key[0] == "10.244.1.3"
}

// A daemon that starts opens no pod for five minutes of which it finds that a former one isolates it.
func TestStartHoldsWhatIsIsolated(t *testing.T) {
	simulate(t, func(w *world) {
		before := restarted(w)
		const reason = "policies to return, or 5m0s to pass, in case the store was lost: of 1 directions"
		kept(w, before, reason)
		_, err := w.add(attachmentOf(pod("web", "1"), "c", 4))
		wantError(t, err, reason)
		for range 4 {
			w.Poke() // what happens meanwhile changes nothing, and costs no comparison
		}
		time.Sleep(2 * time.Minute)
		kept(w, w.kernel.read(policy.Table), reason)
		w.cluster.set(true, "the API server: connection refused")
		w.Poke()
		time.Sleep(time.Hour) // does not count
		if !isolatedDB(w) {
			t.Error("opened while the API server is away")
		}
		w.cluster.set(true, "")
		time.Sleep(2*time.Minute + 15*time.Second) // the ADD took ten seconds, and a look comes every ten
		if !isolatedDB(w) || w.InForce() {
			t.Error("opened before its time")
		}
		time.Sleep(time.Minute)
		if isolatedDB(w) || !w.InForce() || w.board.Snapshot().Unready() != nil {
			t.Errorf("held for good: %v", w.board.Snapshot().Unready())
		}
	})
}

// While it waits, its node stays ready: the pods that run there would lose their Services, and after five minutes their
// place, although they work as before.
func TestStartKeepsTheNodeReady(t *testing.T) {
	simulate(t, func(w *world) {
		restarted(w)
		if err := w.Ready(context.Background()); err != nil {
			t.Errorf("STATUS: %v", err)
		}
		_, err := w.add(attachmentOf(pod("web", "1"), "c", 4))
		wantError(t, err, "policies to return")
		if s := w.board.Snapshot().Unready(); len(s) == 0 {
			t.Error("/readyz does not stop a rollout")
		}
	})
}

func TestStartGoesOnWhenThePoliciesReturn(t *testing.T) {
	simulate(t, func(w *world) {
		before := restarted(w)
		writes, _ := w.kernel.counts()
		time.Sleep(time.Minute)
		w.SetPolicy(isolating("db"))
		time.Sleep(startLook)
		synctest.Wait()
		after, _ := w.kernel.counts()
		if diff := cmp.Diff(before, w.kernel.read(policy.Table)); diff != "" || !w.InForce() || after != writes {
			t.Errorf("in force: %t, %d writes; (-before +after):\n%s", w.InForce(), after-writes, diff)
		}
		w.DeletePolicy("shop", "closes-db") // what is deleted under a watch is deleted at once
		time.Sleep(time.Second)
		if isolatedDB(w) {
			t.Error("held")
		}
	})
}

// Peers that the mesh has found on the host and keeps have no name, so what pods are on them is not known.
func TestStartWaitsForNames(t *testing.T) {
	simulate(t, func(w *world) {
		running(w)
		w.stop()
		before, nodes := w.kernel.read(policy.Table), w.cluster.Nodes()
		nameless := node("", 2)
		nameless.PublicKey = keys.Public{1}
		w.cluster.tell([]mesh.Node{node("node-a", 1), nameless})
		w.start()
		kept(w, before, "the Nodes of 1 peers that the mesh keeps")
		w.cluster.tell(nodes)
		w.Poke()
		time.Sleep(startLook)
		synctest.Wait()
		if !w.InForce() {
			t.Error("not in force")
		}
	})
}
