package mesh_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"warren.mesh/mesh"
)

// conflicting is a mesh of n nodes whose keys and addresses are drawn from few, so that many of them conflict.
func conflicting(random *rand.Rand, n int) []mesh.Node {
	var nodes []mesh.Node
	for i := range n {
		id := mesh.Identity{
			Name: fmt.Sprintf("n%d", i), UID: fmt.Sprintf("uid-%d", i),
			Created: epoch.Add(time.Duration(random.IntN(n/2)) * time.Second),
		}
		ip := func() string { return fmt.Sprintf("10.%d.%d.%d", random.IntN(2), random.IntN(4), 1+random.IntN(250)) }
		drawn := fmt.Sprintf("key-%d", random.IntN(2*n))
		a := mesh.Announcement{
			PublicKey: key(drawn).String(),
			Proof:     proof(drawn, id.UID).String(),
			Endpoint:  ip() + ":51820",
			PodCIDRs:  fmt.Sprintf("10.1.%d.%d/%d", random.IntN(32), 64*random.IntN(4), 26+random.IntN(2)),
			NodeIPs:   ip() + "," + fmt.Sprintf("2001:db8::%d", random.IntN(3*n)),
		}
		o := mesh.Overrides{}
		switch random.IntN(10) {
		case 0:
			a = mesh.Announcement{}
		case 1:
			a.Endpoint = "malformed"
		case 2:
			o.ForceEndpoint = ip() + ":4500"
		}
		nodes = append(nodes, mesh.ParseNode(id, a, o))
	}
	return nodes
}

// observer is a node that conflicts with none of those.
var observer = number(40_000)

func peerNames(s mesh.State) []string {
	var names []string
	for _, p := range s.Peers {
		names = append(names, p.Node)
	}
	slices.Sort(names)
	return names
}

func TestOrderOfInputDoesNotMatter(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for range 100 {
		nodes := conflicting(random, 12)
		self := selfOf(observer)
		want, wantProblems, err := mesh.Desired(config(), self, nodes)
		if err != nil {
			t.Fatal(err)
		}
		for range 5 {
			random.Shuffle(len(nodes), func(i, j int) { nodes[i], nodes[j] = nodes[j], nodes[i] })
			got, gotProblems, err := mesh.Desired(config(), self, nodes)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got, compareNetip); diff != "" {
				t.Fatalf("state of another order (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(wantProblems, gotProblems); diff != "" {
				t.Fatalf("problems of another order (-want +got):\n%s", diff)
			}
		}
	}
}

// TestAllNodesDecideAlike compares the views of all nodes of one mesh with that of one which takes no part.
func TestAllNodesDecideAlike(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	members, losers := 0, 0
	for range 200 {
		nodes := conflicting(random, 12)
		state, problems, err := mesh.Desired(config(), selfOf(observer), nodes)
		if err != nil {
			t.Fatal(err)
		}
		accepted := peerNames(state)
		for _, n := range nodes {
			switch got, gotProblems, err := mesh.Desired(config(), selfOf(n), nodes); {
			case err != nil || len(n.Malformed) > 0:
				if slices.Contains(accepted, n.Name) {
					t.Fatalf("%s is accepted, but has %v, %v", n.Name, err, n.Malformed)
				}
			case slices.Contains(accepted, n.Name):
				members++
				want := slices.DeleteFunc(slices.Clone(accepted), func(name string) bool { return name == n.Name })
				if diff := cmp.Diff(want, peerNames(got)); diff != "" {
					t.Fatalf("peers of %s (-want +got):\n%s", n.Name, diff)
				}
				if diff := cmp.Diff(problems, gotProblems); diff != "" {
					t.Fatalf("problems that %s sees (-want +got):\n%s", n.Name, diff)
				}
			default:
				losers++
				checkLoser(t, n, peerNames(got), accepted, gotProblems)
			}
		}
	}
	if members < 100 || losers < 100 {
		t.Errorf("%d views of members and %d of losers, want at least 100 of each", members, losers)
	}
}

// checkLoser checks the view of a node that all others leave out: it knows, and has nobody as peer whom others refuse.
func checkLoser(t *testing.T, n mesh.Node, peers, accepted []string, problems []mesh.Problem) {
	t.Helper()
	for _, peer := range peers {
		if !slices.Contains(accepted, peer) {
			t.Fatalf("%s has %s as peer, whom others refuse", n.Name, peer)
		}
	}
	if !slices.ContainsFunc(problems, func(p mesh.Problem) bool { return p.Node == n.Name }) {
		t.Fatalf("%s does not see that it is left out: %v", n.Name, problems)
	}
}

// TestIncumbentsStay adds newcomers to a mesh: nobody who was in it may lose anything.
func TestIncumbentsStay(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 8))
	for range 100 {
		incumbents := conflicting(random, 8)
		before, _, err := mesh.Desired(config(), selfOf(observer), incumbents)
		if err != nil {
			t.Fatal(err)
		}
		newcomers := conflicting(random, 8)
		for i := range newcomers {
			newcomers[i].Name = "new-" + newcomers[i].Name
			newcomers[i].Created = newcomers[i].Created.Add(time.Hour)
		}
		after, _, err := mesh.Desired(config(), selfOf(observer), append(newcomers, incumbents...))
		if err != nil {
			t.Fatal(err)
		}
		change := mesh.Diff(after, before)
		if len(change.Peers.Update)+len(change.Peers.Remove) > 0 {
			t.Fatalf("newcomers changed incumbents: %v", text(change.Lines()))
		}
	}
}

// TestNoAllowedIPTwice checks what WireGuard would otherwise settle by taking it from the peer that came first.
func TestNoAllowedIPTwice(t *testing.T) {
	random := rand.New(rand.NewPCG(9, 10))
	for range 200 {
		state, _, err := mesh.Desired(config(), selfOf(observer), conflicting(random, 16))
		if err != nil {
			t.Fatal(err)
		}
		for i, p := range state.Peers {
			for _, q := range state.Peers[i+1:] {
				for _, a := range p.AllowedIPs {
					if slices.ContainsFunc(q.AllowedIPs, a.Overlaps) {
						t.Fatalf("%v overlaps:\n%v\n%v", a, p, q)
					}
				}
			}
		}
	}
}

func BenchmarkDesired5000(b *testing.B) {
	nodes, cfg := numbers(5000), config("10.0.0.0/8", "fd00:10:244::/48")
	cfg.NodeCIDRs = nil
	self := selfOf(nodes[0])
	for b.Loop() {
		if _, _, err := mesh.Desired(cfg, self, nodes); err != nil {
			b.Fatal(err)
		}
	}
}
