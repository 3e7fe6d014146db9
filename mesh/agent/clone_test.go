package agent_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"warren.mesh/mesh/meshtest"
)

// clones makes the host of node 3 from a copy of node 1's disk.
func clones(api *meshtest.API) *machine {
	c := newMachine(api, 3)
	c.ring = &ring{key: private(1)}
	api.Create(object(3))
	return c
}

const replacements = "warren_key_replacements_total 1\n"

// TestCloneGetsAKeyOfItsOwn: a node that was made from a copy of another's disk is in the mesh by itself, and the other
// never notices.
func TestCloneGetsAKeyOfItsOwn(t *testing.T) {
	cluster(t, 2, func(t *testing.T, api *meshtest.API, machines []*machine) {
		a, b, c := machines[0], machines[1], clones(api)
		c.start()
		defer func() { c.end() }()
		settle()
		if c.ring.public() == a.key {
			t.Error("the clone keeps the key")
		}
		wantPeers(t, a, b.key, c.ring.public())
		wantPeers(t, b, a.key, c.ring.public())
		wantPeers(t, c, a.key, b.key)
		got := logged(c.log.read(), "same private key")
		if len(got) != 1 || !strings.Contains(got[0], "node="+a.name) ||
			!strings.Contains(got[0], "file=/var/lib/warren/private.key.cloned") {
			t.Errorf("log: %q", got)
		}
		if _, body := c.get("/metrics"); !strings.Contains(body, replacements) {
			t.Error("the metrics do not count it")
		}
		if code, body := c.get("/readyz"); code != 200 {
			t.Errorf("not ready: %s", body)
		}
		if diff := cmp.Diff([]string{"annotations", "condition"}, c.cluster.Writes()); diff != "" {
			t.Errorf("writes (-want +got):\n%s", diff)
		}
		kept := c.ring.public()
		c.host.activity()
		c.end()
		c.start()
		settle()
		if _, wrote := c.host.activity(); c.ring.public() != kept || len(wrote)+len(c.cluster.Writes()) > 0 {
			t.Errorf("a restart writes %v, or has another key", wrote)
		}
	})
}

// TestElderTurnsUp: the elder announces the key, which it has, when the younger has been in the mesh with it.
func TestElderTurnsUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var api meshtest.API
		api.Create(object(9), object(1), object(2))
		a, b := newMachine(&api, 1), newMachine(&api, 2)
		for _, m := range []*machine{a, b} {
			m.start()
			defer m.end()
		}
		settle()
		wantPeers(t, b, a.key)
		api.Update(name(9), func(n *meshtest.Node) {
			n.Key, n.Announcement = private(2), announced(9).Announcement
			n.Announcement.PublicKey = b.key.String()
		})
		settle()
		wantPeers(t, a, b.key, b.ring.public())
		wantPeers(t, b, a.key, b.key)
		if device := b.host.now().Device.PublicKey; device != b.ring.public() || device == b.key {
			t.Errorf("the device has %v", device)
		}
	})
}

// TestCloneThatCannotReplaceItsKey is silent, says why, and is back when it can.
func TestCloneThatCannotReplaceItsKey(t *testing.T) {
	cluster(t, 2, func(t *testing.T, api *meshtest.API, machines []*machine) {
		a, b, c := machines[0], machines[1], clones(api)
		c.ring.fail(nil, errors.New("replace the private key: disk full"))
		c.start()
		defer c.end()
		time.Sleep(time.Minute)
		synctest.Wait()
		wantPeers(t, a, b.key)
		wantPeers(t, c)
		const why = "private key: replace the private key: disk full"
		if code, body := c.get("/readyz"); code != 503 || !strings.Contains(body, why) {
			t.Errorf("/readyz: %d %s", code, body)
		}
		if got := logged(c.log.read(), "disk full"); len(got) != 1 {
			t.Errorf("log: %q", got)
		}
		c.ring.fail(nil, nil)
		time.Sleep(time.Minute)
		synctest.Wait()
		wantPeers(t, a, b.key, c.ring.public())
		wantPeers(t, c, a.key, b.key)
	})
}

// TestNoProofNoPass: without a proof there is nothing to announce, and the mesh stays as it is.
func TestNoProofNoPass(t *testing.T) {
	cluster(t, 2, func(t *testing.T, api *meshtest.API, machines []*machine) {
		a, b := machines[0], machines[1]
		a.ring.fail(errors.New("this machine miscalculates"), nil)
		a.end()
		a.start()
		settle()
		wantPeers(t, a, b.key)
		if code, body := a.get("/readyz"); code != 503 ||
			body != "private key: this machine miscalculates\nWireGuard: kernel, it is a test\n" {
			t.Errorf("/readyz: %d %q", code, body)
		}
		if writes := a.cluster.Writes(); len(writes) > 0 {
			t.Errorf("wrote %v", writes)
		}
	})
}
