package agent_test

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"warren.mesh/mesh"
	"warren.mesh/mesh/meshtest"
)

func TestDriftIsRepairedAndLoggedOnce(t *testing.T) {
	cluster(t, 3, func(t *testing.T, _ *meshtest.API, machines []*machine) {
		a := machines[0]
		before := a.host.now()
		for what, meddle := range map[string]func(){
			"route":     func() { a.host.meddle(func(s *mesh.State) { s.Routes = s.Routes[1:] }) },
			"rule":      func() { a.host.meddle(func(s *mesh.State) { s.Rules = s.Rules[1:] }) },
			"peer":      func() { a.host.meddle(func(s *mesh.State) { s.Peers = s.Peers[1:] }) },
			"node IP":   func() { a.host.meddle(func(s *mesh.State) { s.Firewall.NodeIPs = s.Firewall.NodeIPs[1:] }) },
			"address":   func() { a.host.meddle(func(s *mesh.State) { s.Link.Addresses = s.Link.Addresses[1:] }) },
			"ruleset":   a.host.Meddler().FlushRuleset,
			"interface": a.host.Meddler().DeleteLink,
		} {
			meddle()
			time.Sleep(time.Second)
			synctest.Wait()
			if diff := cmp.Diff(before, a.host.now(), addresses); diff != "" {
				t.Errorf("%s: (-before +after):\n%s", what, diff)
			}
			seen := map[string]bool{}
			for _, line := range a.log.read() {
				if seen[line] || !strings.Contains(line, "level=INFO") {
					t.Errorf("%s: log %q", what, line)
				}
				seen[line] = true
			}
			if len(seen) == 0 {
				t.Errorf("%s: not logged", what)
			}
		}
	})
}

func TestDownLinkIsLookedAtAgain(t *testing.T) {
	cluster(t, 2, func(t *testing.T, _ *meshtest.API, machines []*machine) {
		a := machines[0]
		before := a.host.now()
		a.host.Meddler().SetLink(false)
		settle()
		if diff := cmp.Diff(before, a.host.now(), addresses); diff != "" {
			t.Errorf("(-before +after):\n%s", diff)
		}
		if observed, _ := a.host.activity(); observed > 3 {
			t.Errorf("observed %d times", observed)
		}
	})
}

// The log gives a failure when it begins, when it changes and when it ends, however often the daemon retries.
func TestFailuresAreRetriedAndLoggedOnce(t *testing.T) {
	cluster(t, 2, func(t *testing.T, api *meshtest.API, machines []*machine) {
		a := machines[0]
		a.host.fail(nil, errors.Join(errors.New("no buffer space"), errors.New("and no luck")))
		api.Create(announced(9))
		time.Sleep(time.Hour)
		synctest.Wait()
		observed, _ := a.host.activity()
		if observed < 100 || observed > 300 { // every 15 to 30 seconds, and some more at first
			t.Errorf("retried %d times in an hour", observed)
		}
		if code, body := a.get("/readyz"); code != 503 ||
			body != "host: no buffer space; and no luck\nWireGuard: kernel, it is a test\n" {
			t.Errorf("/readyz: %d %q", code, body)
		}
		a.host.fail(errors.New("interrupted"), nil)
		time.Sleep(time.Minute)
		a.host.fail(nil, nil)
		time.Sleep(time.Minute)
		synctest.Wait()
		wantPeers(t, a, machines[1].key, key(9))
		got := logged(a.log.read(), "step=")
		want := []string{
			`level=ERROR msg="failed, and will be retried" step=host err="no buffer space; and no luck"`,
			`level=ERROR msg="failed, and will be retried" step=host err="observe the host: interrupted"`,
			`level=INFO msg=recovered step=host after="observe the host: interrupted"`,
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("log (-want +got):\n%s", diff)
		}

		a.host.fail(nil, errors.New("once more"))
		a.host.meddle(dropRoutes)
		synctest.Wait()
		a.host.fail(nil, nil)
		time.Sleep(time.Second)
		synctest.Wait()
		if len(a.host.now().Routes) == 0 {
			t.Error("the backoff outlives the failures that it came from")
		}
	})
}

// While one write is refused, another that waits for it must not keep the worker busy.
func TestRefusedWritesAreNoReasonToSpin(t *testing.T) {
	cluster(t, 1, func(t *testing.T, api *meshtest.API, machines []*machine) {
		a := machines[0]
		a.cluster.FailWrites(errors.New("forbidden"))
		api.Update(a.name, func(n *meshtest.Node) { n.NetworkAvailable = false })
		settle()
		api.Update(a.name, func(n *meshtest.Node) { n.Announcement = mesh.Announcement{} })
		a.cluster.Writes()
		time.Sleep(time.Hour)
		synctest.Wait()
		if n := len(a.cluster.Writes()); n < 100 || n > 300 {
			t.Errorf("wrote %d times in an hour", n)
		}
		if lines := logged(a.log.read(), "level=ERROR"); len(lines) != 2 {
			t.Errorf("log: %q", lines)
		}
		_, body := a.get("/metrics")
		passes := regexp.MustCompile(`warren_reconcile_total{outcome="error"} (\d{1,3})\n`)
		if !passes.MatchString(body) {
			t.Errorf("more than 999 passes in an hour")
		}
	})
}

func TestDeviceIsWaitedFor(t *testing.T) {
	cluster(t, 2, func(t *testing.T, _ *meshtest.API, machines []*machine) {
		a := machines[0]
		a.host.fail(nil, fmt.Errorf("link: %w for the userspace device process", mesh.ErrWaiting))
		a.host.meddle(dropRoutes)
		time.Sleep(time.Hour)
		synctest.Wait()
		text := a.log.read()
		if lines := logged(text, "step="); len(lines) != 1 || !strings.Contains(lines[0], "msg=waiting") {
			t.Errorf("log: %q", lines)
		}
		added := logged(text, "route added")
		if once := slices.Compact(slices.Sorted(slices.Values(added))); len(once) == 0 || len(once) != len(added) {
			t.Errorf("%d attempts at %d routes are in the log", len(added), len(once))
		}
		a.host.fail(nil, nil)
		time.Sleep(2 * time.Second) // not half a minute
		synctest.Wait()
		if len(a.host.now().Routes) == 0 {
			t.Error("the device that came was not noticed")
		}
	})
}

// The presence of the CNI configuration makes the kubelet start pods, and the condition makes the scheduler send them.
func TestConfigurationComesAfterTheMesh(t *testing.T) {
	cluster(t, 1, func(t *testing.T, api *meshtest.API, _ []*machine) {
		b := newMachine(api, 2)
		b.host.fail(nil, errors.New("not today"))
		api.Create(object(2))
		b.start()
		defer b.end()
		settle()
		if b.attachments.written != 0 || api.Node(b.name).NetworkAvailable {
			t.Errorf("not programmed, and yet: written %d times, Node %+v", b.attachments.written, api.Node(b.name))
		}
		b.host.fail(nil, nil)
		b.attachments.set(nil, errors.New("disk full"))
		time.Sleep(time.Minute)
		synctest.Wait()
		b.attachments.set(nil, nil)
		time.Sleep(time.Minute)
		synctest.Wait()
		if b.attachments.written != 1 || b.attachments.early || !api.Node(b.name).NetworkAvailable {
			t.Errorf("written %d times, early %v, Node %+v",
				b.attachments.written, b.attachments.early, api.Node(b.name))
		}
	})
}

func TestMTUFollowsTheUnderlay(t *testing.T) {
	cluster(t, 1, func(t *testing.T, _ *meshtest.API, machines []*machine) {
		a := machines[0]
		if got := a.host.now().Link.MTU; got != 1420 || a.attachments.mtu != 1420 {
			t.Errorf("MTU %d, pods' %d, want 1420", got, a.attachments.mtu)
		}
		a.host.SetUnderlay(object(1).NodeIPs[0], 9000)
		settle()
		if got := a.host.now().Link.MTU; got != 8920 || a.attachments.mtu != 8920 {
			t.Errorf("MTU %d, pods' %d, want 8920", got, a.attachments.mtu)
		}
	})
}

// The daemon does not repeat a write that the API server refused because the Node has changed before it has read the
// Node again.
func TestStaleWritesAreNotRepeatedBlindly(t *testing.T) {
	cluster(t, 1, func(t *testing.T, api *meshtest.API, machines []*machine) {
		a := machines[0]
		a.cluster.FailWrites(mesh.ErrStale)
		api.Update(a.name, func(n *meshtest.Node) { n.Announcement.Endpoint = "198.51.100.1:1" })
		time.Sleep(3 * time.Second)
		synctest.Wait()
		if writes := a.cluster.Writes(); len(writes) != 1 {
			t.Errorf("wrote %v", writes)
		}
		a.cluster.FailWrites(nil)
		api.Create(object(1)) // another Node of that name
		settle()
		if got := api.Node(a.name).Announcement.PublicKey; got != a.key.String() {
			t.Errorf("published %q of the new Node", got)
		}
	})
}

func TestOverwrittenAnnotationsComeBack(t *testing.T) {
	cluster(t, 2, func(t *testing.T, api *meshtest.API, machines []*machine) {
		a := machines[0]
		want := api.Node(a.name).Announcement
		for range 3 {
			api.Update(a.name, func(n *meshtest.Node) { n.Announcement = mesh.Announcement{} })
			settle()
			if diff := cmp.Diff(want, api.Node(a.name).Announcement); diff != "" {
				t.Fatalf("(-want +got):\n%s", diff)
			}
		}
	})
}

func TestInterruptedWatchIsStartedAgain(t *testing.T) {
	cluster(t, 1, func(t *testing.T, api *meshtest.API, _ []*machine) {
		b := newMachine(api, 2)
		b.host.watchErr = errors.New("socket buffer overrun")
		api.Create(object(2))
		b.start()
		defer b.end()
		time.Sleep(time.Minute)
		synctest.Wait()
		if lines := logged(b.log.read(), "watching the host"); len(lines) != 1 {
			t.Errorf("log: %q", lines)
		}
		if observed, _ := b.host.activity(); observed < 5 {
			t.Errorf("observed %d times: what happened unwatched goes unseen", observed)
		}
	})
}
