package mesh_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"warren.mesh/mesh"
)

// braking is a brake of five minutes on the node with number 1, and what it lets through.
type braking struct {
	t     *testing.T
	cfg   mesh.Config
	brake mesh.Brake
	have  mesh.State
}

func newBraking(t *testing.T) *braking {
	return &braking{t: t, cfg: config("10.0.0.0/8", "fd00:10:244::/48"), brake: mesh.Brake{Delay: 5 * time.Minute}}
}

// want is the state in a mesh with the nodes of these numbers.
func (b *braking) want(numbers ...int) mesh.State {
	b.t.Helper()
	var nodes []mesh.Node
	for _, n := range numbers {
		nodes = append(nodes, number(n))
	}
	return desired(b.t, b.cfg, number(1), nodes)
}

// step goes to a time in minutes after the start.
func (b *braking) step(minute float64, s mesh.Step) {
	s.Now = epoch.Add(time.Duration(minute * float64(time.Minute)))
	b.brake, b.have = b.brake.Next(s)
}

// peers are the numbers of the peers that were let through.
func (b *braking) peers() string { return strings.Join(peerNames(b.have), " ") }

func upTo(n int) (numbers []int) {
	for i := 2; i <= n; i++ {
		numbers = append(numbers, i)
	}
	return numbers
}

func TestBrake(t *testing.T) {
	type step struct {
		minute float64
		nodes  []int
		want   string
		mesh.Step
	}
	stale, urgent := mesh.Step{Stale: true}, mesh.Step{Urgent: true}
	for name, steps := range map[string][]step{
		"half of them go": {
			{minute: 0, nodes: upTo(5), want: "n2 n3 n4 n5"}, {minute: 1, nodes: []int{2, 3}, want: "n2 n3"},
		},
		"two of three go": {
			{minute: 0, nodes: upTo(4), want: "n2 n3 n4"}, {minute: 1, nodes: []int{2}, want: "n2"},
		},
		"more than half are held, and go after the delay": {
			{minute: 0, nodes: upTo(5), want: "n2 n3 n4 n5"},
			{minute: 1, nodes: []int{2}, want: "n2 n3 n4 n5"},
			{minute: 5.9, nodes: []int{2}, want: "n2 n3 n4 n5"},
			{minute: 6, nodes: []int{2}, want: "n2"},
		},
		"all are held": {
			{minute: 0, nodes: upTo(5), want: "n2 n3 n4 n5"},
			{minute: 1, want: "n2 n3 n4 n5"}, {minute: 6, want: ""},
		},
		"they return": {
			{minute: 0, nodes: upTo(5), want: "n2 n3 n4 n5"},
			{minute: 1, want: "n2 n3 n4 n5"},
			{minute: 3, nodes: []int{2, 3, 4}, want: "n2 n3 n4 n5"}, // one alone has its time still
			{minute: 5, nodes: upTo(5), want: "n2 n3 n4 n5"},
			{minute: 9, nodes: upTo(5), want: "n2 n3 n4 n5"},
		},
		"others come meanwhile": {
			{minute: 0, nodes: upTo(5), want: "n2 n3 n4 n5"},
			{minute: 1, nodes: []int{7}, want: "n2 n3 n4 n5 n7"},
			{minute: 2, nodes: []int{7, 8}, want: "n2 n3 n4 n5 n7 n8"},
			{minute: 6, nodes: []int{7, 8}, want: "n7 n8"},
		},
		"a later loss has its own time, and the earlier one keeps its own": {
			{minute: 0, nodes: upTo(7), want: "n2 n3 n4 n5 n6 n7"},
			{minute: 1, nodes: []int{2, 3}, want: "n2 n3 n4 n5 n6 n7"},
			{minute: 4, nodes: []int{2}, want: "n2 n3 n4 n5 n6 n7"},
			{minute: 6, nodes: []int{2}, want: "n2 n3"},
			{minute: 9, nodes: []int{2}, want: "n2"},
		},
		"one by one within the delay: from more than half on": {
			{minute: 0, nodes: upTo(7), want: "n2 n3 n4 n5 n6 n7"},
			{minute: 1, nodes: upTo(6), want: "n2 n3 n4 n5 n6"},
			{minute: 2, nodes: upTo(5), want: "n2 n3 n4 n5"},
			{minute: 3, nodes: upTo(4), want: "n2 n3 n4"},
			{minute: 4, nodes: upTo(3), want: "n2 n3 n4"},
			{minute: 5, nodes: upTo(2), want: "n2 n3 n4"},
			{minute: 9, nodes: upTo(2), want: "n2 n3"},
			{minute: 10, nodes: upTo(2), want: "n2"},
		},
		"one by one, slowly": {
			{minute: 0, nodes: upTo(6), want: "n2 n3 n4 n5 n6"},
			{minute: 3, nodes: upTo(5), want: "n2 n3 n4 n5"},
			{minute: 6, nodes: upTo(4), want: "n2 n3 n4"},
			{minute: 9, nodes: upTo(3), want: "n2 n3"},
			{minute: 12, nodes: upTo(2), want: "n2"},
		},
		"all are replaced, one after the other": {
			{minute: 0, nodes: upTo(5), want: "n2 n3 n4 n5"},
			{minute: 0.4, nodes: []int{2, 3, 4, 5, 6}, want: "n2 n3 n4 n5 n6"},
			{minute: 0.5, nodes: []int{3, 4, 5, 6}, want: "n3 n4 n5 n6"},
			{minute: 0.9, nodes: []int{3, 4, 5, 6, 7}, want: "n3 n4 n5 n6 n7"},
			{minute: 1, nodes: []int{4, 5, 6, 7}, want: "n4 n5 n6 n7"},
			{minute: 1.4, nodes: []int{4, 5, 6, 7, 8}, want: "n4 n5 n6 n7 n8"},
			{minute: 1.5, nodes: []int{5, 6, 7, 8}, want: "n5 n6 n7 n8"},
			{minute: 1.9, nodes: []int{5, 6, 7, 8, 9}, want: "n5 n6 n7 n8 n9"},
			{minute: 2, nodes: []int{6, 7, 8, 9}, want: "n6 n7 n8 n9"},
		},
		"time without an API server does not count": {
			{minute: 0, nodes: upTo(5), want: "n2 n3 n4 n5"},
			{minute: 1, want: "n2 n3 n4 n5"},
			{minute: 3, want: "n2 n3 n4 n5", Step: stale},
			{minute: 60, want: "n2 n3 n4 n5", Step: stale},
			{minute: 63, want: "n2 n3 n4 n5"},
			{minute: 65.9, want: "n2 n3 n4 n5"},
			{minute: 66, want: ""},
		},
		"a clone is silenced at once": {
			{minute: 0, nodes: upTo(5), want: "n2 n3 n4 n5"},
			{minute: 1, want: "", Step: urgent},
			{minute: 2, want: ""},
		},
		"a clone is silenced while others are held": {
			{minute: 0, nodes: upTo(5), want: "n2 n3 n4 n5"},
			{minute: 1, nodes: []int{2}, want: "n2 n3 n4 n5"},
			{minute: 2, want: "", Step: urgent},
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBraking(t)
			for _, s := range steps {
				s.Want = b.want(s.nodes...)
				b.step(s.minute, s.Step)
				if got := b.peers(); got != s.want {
					t.Errorf("minute %v: peers %q, want %q", s.minute, got, s.want)
				}
			}
		})
	}
}

// What is held keeps its routes and its guard as they were, also where pod CIDRs are guarded one by one.
func TestBrakeKeepsEverythingOfAPeer(t *testing.T) {
	for name, cidrs := range map[string][]string{"cluster CIDRs": {"10.0.0.0/8", "fd00:10:244::/48"}, "none": nil} {
		t.Run(name, func(t *testing.T) {
			b := newBraking(t)
			b.cfg = config(cidrs...)
			before := b.want(upTo(6)...)
			b.step(0, mesh.Step{Want: before})
			b.step(1, mesh.Step{Want: b.want()})
			if diff := cmp.Diff(before, b.have, compareNetip, equateEmpty); diff != "" {
				t.Errorf("(-before +held):\n%s", diff)
			}
			if held, until := b.brake.Held(); held != 5 || until != epoch.Add(6*time.Minute) {
				t.Errorf("%d held until %v", held, until)
			}
			want := b.want()
			b.step(6, mesh.Step{Want: want})
			if diff := cmp.Diff(want, b.have, compareNetip, equateEmpty); diff != "" {
				t.Errorf("after the delay (-want +got):\n%s", diff)
			}
			if held, until := b.brake.Held(); held != 0 || !until.IsZero() {
				t.Errorf("%d held until %v", held, until)
			}
		})
	}
}

// Whoever is there has precedence over those that are held: other nodes, and the own one.
func TestBrakeYieldsToWhatIsWanted(t *testing.T) {
	b := newBraking(t)
	b.step(0, mesh.Step{Want: b.want(upTo(5)...)})
	newcomer := number(9)
	newcomer.PodCIDRs = number(2).PodCIDRs
	own := number(1)
	own.PodCIDRs = number(3).PodCIDRs
	want := desired(t, b.cfg, own, []mesh.Node{newcomer})
	b.step(1, mesh.Step{Want: want})
	if got := b.peers(); got != "n2 n3 n4 n5 n9" {
		t.Fatalf("peers %s", got)
	}
	wantContained(t, want, b.have)
	for _, p := range b.have.Peers {
		for _, ip := range p.AllowedIPs {
			if p.Node != newcomer.Name && slices.ContainsFunc(append(newcomer.PodCIDRs, own.PodCIDRs...), ip.Overlaps) {
				t.Errorf("%s is held with %v", p.Node, ip)
			}
		}
	}
}

// Another key for the same addresses is no loss, though all change theirs at once.
func TestBrakeLetsKeysChange(t *testing.T) {
	b := newBraking(t)
	b.step(0, mesh.Step{Want: b.want(upTo(6)...)})
	var nodes []mesh.Node
	for _, n := range upTo(6) {
		node := number(n)
		node.PublicKey = key(fmt.Sprint("new-", n))
		nodes = append(nodes, node)
	}
	want := desired(t, b.cfg, number(1), nodes)
	b.step(1, mesh.Step{Want: want})
	if diff := cmp.Diff(want, b.have, compareNetip); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// A daemon that starts goes by what it finds on the host, where peers have no names.
func TestBrakeAfterARestart(t *testing.T) {
	b := newBraking(t)
	found := b.want(upTo(6)...)
	for i := range found.Peers {
		found.Peers[i].Node = ""
	}
	b.brake = b.brake.Adopt(found)
	b.step(0, mesh.Step{Want: b.want()})
	if diff := cmp.Diff(found, b.have, compareNetip, equateEmpty); diff != "" {
		t.Errorf("(-found +held):\n%s", diff)
	}
	b.step(5, mesh.Step{Want: b.want()})
	if got := b.peers(); got != "" {
		t.Errorf("peers %s after the delay", got)
	}
}

func TestBrakeOff(t *testing.T) {
	b := newBraking(t)
	b.brake.Delay = 0
	b.step(0, mesh.Step{Want: b.want(upTo(6)...)})
	b.step(1, mesh.Step{Want: b.want()})
	if got := b.peers(); got != "" {
		t.Errorf("peers %s", got)
	}
}

// TestBrakeProperties goes through random histories of a mesh in which the API server is away at times.
func TestBrakeProperties(t *testing.T) {
	random := rand.New(rand.NewPCG(41, 42))
	held := 0
	for range 100 {
		b := newBraking(t)
		lostAt, minute := map[string]float64{}, 0.0
		before, stale := []string(nil), false
		for range 30 {
			if !stale {
				minute += 3 * random.Float64()
			}
			stale = random.IntN(5) == 0
			var nodes []int
			few := random.IntN(4) + 1
			for _, n := range upTo(9) {
				if random.IntN(few+1) > 0 {
					nodes = append(nodes, n)
				}
			}
			want := b.want(nodes...)
			b.step(minute, mesh.Step{Want: want, Stale: stale})
			wantContained(t, want, b.have)
			wanted, after := peerNames(want), peerNames(b.have)
			kept, lost := 0, map[string]bool{}
			for _, name := range before {
				if slices.Contains(wanted, name) {
					kept++
					continue
				}
				if _, known := lostAt[name]; !known {
					lostAt[name], lost[name] = minute, true
				}
			}
			for _, name := range wanted {
				delete(lostAt, name)
			}
			for name, since := range lostAt {
				there := slices.Contains(after, name)
				if there {
					held++
				}
				if there && !stale && minute-since >= 5 {
					t.Fatalf("%s is held for %v minutes", name, minute-since)
				}
				if mass := len(lost) > kept && len(lost)+kept >= 4; mass && lost[name] && !there {
					t.Fatalf("%s goes at once, as one of %d, where %d stay", name, len(lost), kept)
				}
				if !there {
					delete(lostAt, name)
				}
			}
			before = after
		}
	}
	if held < 100 {
		t.Errorf("%d peers were held: nothing is shown", held)
	}
}

// wantContained wants have to be want and removals that wait.
func wantContained(t *testing.T, want, have mesh.State) {
	t.Helper()
	if change := mesh.Diff(want, have).WithoutRemovals(); !change.Empty() {
		t.Fatalf("not everything that is wanted is there: %v", text(change.Lines()))
	}
	for i, p := range have.Peers {
		for _, q := range have.Peers[i+1:] {
			if slices.ContainsFunc(p.AllowedIPs, func(ip netip.Prefix) bool {
				return slices.ContainsFunc(q.AllowedIPs, ip.Overlaps)
			}) {
				t.Fatalf("%v and %v overlap", p, q)
			}
		}
	}
}
