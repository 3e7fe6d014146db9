package mesh_test

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"warren.mesh/mesh"
)

// thefts are what a node may put beside another's key, which it does not have.
var thefts = map[string]func(thief, owner mesh.Announcement) string{
	"no proof":                   func(mesh.Announcement, mesh.Announcement) string { return "" },
	"the owner's own proof":      func(_, owner mesh.Announcement) string { return owner.Proof },
	"a proof of the thief's key": func(thief, _ mesh.Announcement) string { return thief.Proof },
	"a proof with another bit": func(_, owner mesh.Announcement) string {
		if owner.Proof[0] == 'A' {
			return "B" + owner.Proof[1:]
		}
		return "A" + owner.Proof[1:]
	},
}

// TestStolenKeyHarmsNobody has any node, elder or younger, announce the key of another: each of the others has the mesh
// that it has without the thief, whose addresses stay guarded, and sees who is at fault.
func TestStolenKeyHarmsNobody(t *testing.T) {
	random := rand.New(rand.NewPCG(11, 12))
	cfg := config("10.0.0.0/8", "fd00:10:244::/48")
	for name, proofOf := range thefts {
		t.Run(name, func(t *testing.T) {
			for range 50 {
				order := random.Perm(2 + random.IntN(8))
				thief, owner := order[0]+1, order[1]+1
				stolen := announcement(thief)
				stolen.Proof = proofOf(stolen, announcement(owner))
				stolen.PublicKey = announcement(owner).PublicKey
				nodes := numbers(len(order))
				id := mesh.Identity{Name: nodes[thief-1].Name, UID: nodes[thief-1].UID, Created: nodes[thief-1].Created}
				honest := slices.Delete(slices.Clone(nodes), thief-1, thief)
				nodes[thief-1] = mesh.ParseNode(id, stolen, mesh.Overrides{})
				for _, n := range honest {
					checkUnharmed(t, cfg, n, honest, nodes, number(thief))
				}
			}
		})
	}
}

// checkUnharmed compares what n has without the thief and with it.
func checkUnharmed(t *testing.T, cfg mesh.Config, n mesh.Node, honest, nodes []mesh.Node, thief mesh.Node) {
	t.Helper()
	without := desired(t, cfg, n, honest)
	with, problems, err := mesh.Desired(cfg, selfOf(n), nodes)
	if err != nil {
		t.Fatal(err)
	}
	of := func(ip netip.Addr) bool { return slices.Contains(thief.NodeIPs, ip) }
	unreachable := func(r mesh.Route) bool {
		return r.Link == "" && r.Destination.IsSingleIP() &&
			of(r.Destination.Addr())
	}
	if !slices.ContainsFunc(with.Firewall.NodeIPs, of) || !slices.ContainsFunc(with.Routes, unreachable) {
		t.Fatalf("%s does not guard the addresses of %s:\n%v", n.Name, thief.Name, with)
	}
	with.Firewall.NodeIPs = slices.DeleteFunc(with.Firewall.NodeIPs, of)
	with.Routes = slices.DeleteFunc(with.Routes, unreachable)
	if diff := cmp.Diff(without, with, compareNetip); diff != "" {
		t.Fatalf("state of %s (-without +with %s):\n%s", n.Name, thief.Name, diff)
	}
	if len(problems) != 1 || problems[0].Node != thief.Name || problems[0].Field != mesh.FieldProof {
		t.Fatalf("problems that %s sees = %v, want one about the proof of %s", n.Name, problems, thief.Name)
	}
}

// TestSuccessorHasToProve: a Node of the same name is another one, and what was announced of the first proves nothing.
func TestSuccessorHasToProve(t *testing.T) {
	successor := mesh.Identity{Name: "n2", UID: "uid-of-the-successor", Created: number(3).Created}
	n := mesh.ParseNode(successor, announcement(2), mesh.Overrides{})
	if len(n.Malformed) != 1 || n.Malformed[0].Field != mesh.FieldProof || !n.PublicKey.IsZero() {
		t.Errorf("with the annotations of its predecessor: key %v, problems %v", n.PublicKey, n.Malformed)
	}
	anew := announcement(2)
	anew.Proof = proof("key-n2", successor.UID).String()
	if n := mesh.ParseNode(successor, anew, mesh.Overrides{}); len(n.Malformed) > 0 || n.PublicKey != key("key-n2") {
		t.Errorf("announced anew: key %v, problems %v", n.PublicKey, n.Malformed)
	}
}
