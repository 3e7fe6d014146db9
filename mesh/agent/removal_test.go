package agent_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"warren.mesh/mesh"
	"warren.mesh/mesh/meshtest"
)

// massed runs test with one machine in a mesh with the nodes 2 to 6, and the state of its host.
func massed(t *testing.T, test func(t *testing.T, api *meshtest.API, a *machine, before mesh.State)) {
	cluster(t, 1, func(t *testing.T, api *meshtest.API, machines []*machine) {
		for n := 2; n <= 6; n++ {
			api.Create(announced(n))
		}
		settle()
		a := machines[0]
		wantPeers(t, a, key(2), key(3), key(4), key(5), key(6))
		a.log.read()
		a.host.activity()
		test(t, api, a, a.host.now())
	})
}

// wantHeld wants the host to be as it was, and that to be said although the node is ready.
func wantHeld(t *testing.T, a *machine, before mesh.State, peers int) {
	t.Helper()
	if diff := cmp.Diff(before, a.host.now(), addresses); diff != "" {
		t.Errorf("not held (-before +after):\n%s", diff)
	}
	code, body := a.get("/readyz")
	if code != 200 || !strings.Contains(body, "warning: mass removal: more than half of the peers are gone") {
		t.Errorf("/readyz: %d %s", code, body)
	}
	_, body = a.get("/metrics")
	for _, metric := range []string{
		fmt.Sprintf("warren_peers_held %d\n", peers), `warren_warning{step="mass removal"} 1`,
		`warren_reconcile_last_outcome{outcome="success"} 1`,
	} {
		if !strings.Contains(body, metric) {
			t.Errorf("no metric %s", metric)
		}
	}
}

func TestMassRemovalIsHeld(t *testing.T) {
	massed(t, func(t *testing.T, api *meshtest.API, a *machine, before mesh.State) {
		api.Delete(name(2), name(3), name(4))
		settle()
		wantHeld(t, a, before, 3)
		a.host.meddle(dropRoutes)
		a.host.Meddler().FlushRuleset()
		settle()
		wantHeld(t, a, before, 3)
		api.Create(announced(9)) // others come and go on
		api.Update(name(5), func(n *meshtest.Node) { n.Overrides.ForceEndpoint = "198.51.100.9:1" })
		settle()
		wantPeers(t, a, key(2), key(3), key(4), key(5), key(6), key(9))
		if got := logged(a.log.read(), "level=WARN"); len(got) != 1 {
			t.Errorf("log: %q", got)
		}
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		wantPeers(t, a, key(5), key(6), key(9))
		if n := len(a.host.now().Firewall.NodeIPs); n != 2*4 {
			t.Errorf("%d addresses are guarded, want those of 4 nodes", n)
		}
		if code, body := a.get("/readyz"); code != 200 || strings.Contains(body, "warning") {
			t.Errorf("/readyz: %d %s", code, body)
		}
		if got := logged(a.log.read(), "mass removal"); len(got) != 1 || !strings.Contains(got[0], "warning is over") {
			t.Errorf("log: %q", got)
		}
	})
}

func TestMassRemovalThatIsUndoneWasNone(t *testing.T) {
	massed(t, func(t *testing.T, api *meshtest.API, a *machine, before mesh.State) {
		api.Delete(name(2), name(3), name(4), name(5), name(6))
		settle()
		wantHeld(t, a, before, 5)
		for n := 2; n <= 6; n++ {
			api.Create(announced(n))
			settle()
		}
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if diff := cmp.Diff(before, a.host.now(), addresses); diff != "" {
			t.Errorf("(-before +after):\n%s", diff)
		}
		if _, wrote := a.host.activity(); len(wrote) != 0 || len(a.host.Initiated()) != 5 {
			t.Errorf("wrote %v", wrote)
		}
		if got := logged(a.log.read(), "mass removal"); len(got) != 2 {
			t.Errorf("log: %q", got)
		}
	})
}

// While somebody repairs the API server, which takes longer than the delay, nothing is given up, nor just after.
func TestMassRemovalWaitsForTheAPIServer(t *testing.T) {
	massed(t, func(t *testing.T, api *meshtest.API, a *machine, before mesh.State) {
		api.Delete(name(2), name(3), name(4), name(5))
		time.Sleep(time.Minute)
		api.SetDown(true)
		time.Sleep(time.Hour)
		synctest.Wait()
		if diff := cmp.Diff(before, a.host.now(), addresses); diff != "" {
			t.Errorf("in the outage (-before +after):\n%s", diff)
		}
		api.SetDown(false)
		time.Sleep(4*time.Minute - time.Second)
		synctest.Wait()
		wantHeld(t, a, before, 4)
		time.Sleep(time.Second)
		synctest.Wait()
		wantPeers(t, a, key(6))
	})
}

func TestMassRemovalWaitsForTheOwnNode(t *testing.T) {
	massed(t, func(t *testing.T, api *meshtest.API, a *machine, before mesh.State) {
		own := api.Node(a.name)
		api.Delete(name(1), name(2), name(3), name(4), name(5), name(6))
		time.Sleep(time.Hour)
		api.Create(own) // the first that is registered anew
		settle()
		wantHeld(t, a, before, 5)
	})
}

// A daemon that starts has not seen who is gone; the host has.
func TestMassRemovalAfterARestart(t *testing.T) {
	massed(t, func(t *testing.T, api *meshtest.API, a *machine, before mesh.State) {
		a.end()
		api.Delete(name(2), name(3), name(4), name(5), name(6))
		a.start()
		settle()
		wantHeld(t, a, before, 5)
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		wantPeers(t, a)
	})
}

// nodeNames are those of the nodes that the agent told last.
func nodeNames(a *machine) (names []string) {
	for _, n := range *a.nodes.Load() {
		names = append(names, n.Name)
	}
	slices.Sort(names)
	return names
}

// Whoever goes by the nodes of the mesh goes by those that are held, also where the host cannot be brought to it.
func TestHeldNodesAreToldOf(t *testing.T) {
	massed(t, func(t *testing.T, api *meshtest.API, a *machine, _ mesh.State) {
		all := []string{name(1), name(2), name(3), name(4), name(5), name(6)}
		told := *a.nodes.Load()
		if diff := cmp.Diff(all, nodeNames(a)); diff != "" {
			t.Fatalf("(-want +got):\n%s", diff)
		}
		api.Delete(all[1:]...) // a store with the own Node alone
		time.Sleep(4 * time.Minute)
		synctest.Wait()
		byKey := cmpopts.SortSlices(func(a, b mesh.Node) bool { return a.Name < b.Name })
		if diff := cmp.Diff(told, *a.nodes.Load(), addresses, byKey); diff != "" {
			t.Errorf("held (-before +after):\n%s", diff)
		}
		a.host.fail(nil, errors.New("no buffer space"))
		api.Create(announced(9))
		settle()
		if diff := cmp.Diff(append(all, name(9)), nodeNames(a)); diff != "" {
			t.Errorf("with a host that fails (-want +got):\n%s", diff)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if diff := cmp.Diff([]string{name(1), name(9)}, nodeNames(a)); diff != "" {
			t.Errorf("given up (-want +got):\n%s", diff)
		}
	})
}

// A node that has another's key, and cannot replace it, must be silent at once: its peers would follow the key.
func TestClonesAreSilencedAtOnce(t *testing.T) {
	massed(t, func(t *testing.T, api *meshtest.API, a *machine, _ mesh.State) {
		a.ring.fail(nil, errors.New("disk full"))
		elder := announced(7)
		elder.Key, elder.Announcement.PublicKey = private(1), a.key.String()
		api.Create(elder)
		api.Create(object(1)) // and thus the younger one
		settle()
		wantPeers(t, a)
	})
}
