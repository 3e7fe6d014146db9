package mesh_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"warren.mesh/mesh"
)

// nodeAddresses are the single addresses among the allowed IPs of the peer of that name; ok is false if it is no peer.
func nodeAddresses(s mesh.State, name string) (ips []netip.Addr, ok bool) {
	for _, p := range s.Peers {
		if p.Node == name {
			for _, allowed := range p.AllowedIPs {
				if allowed.IsSingleIP() {
					ips = append(ips, allowed.Addr())
				}
			}
			return ips, true
		}
	}
	return nil, false
}

func TestAddressInConflictCostsThatAddress(t *testing.T) {
	const others = "172.16.0.1,172.16.0.2"
	for name, tt := range map[string]struct {
		change             func(*mesh.Announcement)
		addresses, problem string
		endpoint           string
	}{
		"an elder's address": {
			change:    func(a *mesh.Announcement) { a.NodeIPs = "192.0.2.1,172.16.0.2,192.0.2.2" },
			addresses: "192.0.2.1,192.0.2.2",
			problem:   "172.16.0.2 is an address of node n2 too",
		},
		"an elder's addresses alone": {
			change:  func(a *mesh.Announcement) { a.NodeIPs = others },
			problem: "172.16.0.1 is an address of node n1 too",
		},
		"an address of an elder's pods": {
			change:    func(a *mesh.Announcement) { a.NodeIPs = "192.0.2.1,10.0.2.7" },
			addresses: "192.0.2.1",
			problem:   "10.0.2.7 is inside the pod CIDR 10.0.2.0/24 of node n2",
		},
		"one endpoint of two among an elder's pods": {
			change: func(a *mesh.Announcement) {
				a.NodeIPs, a.Endpoint = "192.0.2.1", "10.0.2.7:51820,[2001:db8::3]:51820"
			},
			addresses: "192.0.2.1",
			problem:   "10.0.2.7 is inside the pod CIDR 10.0.2.0/24 of node n2: packets to it would enter the mesh",
			endpoint:  "[2001:db8::3]:51820",
		},
		"an elder's address as endpoint": {
			change: func(a *mesh.Announcement) {
				a.NodeIPs, a.Endpoint = "192.0.2.1,172.16.0.2", "172.16.0.2:51820"
			},
			addresses: "192.0.2.1",
			problem:   "172.16.0.2 is an address of node n2 too",
			endpoint:  "172.16.0.2:51820",
		},
	} {
		t.Run(name, func(t *testing.T) {
			young, a := number(3), announcement(3)
			tt.change(&a)
			young = mesh.ParseNode(mesh.Identity{Name: young.Name, UID: young.UID, Created: young.Created}, a,
				mesh.Overrides{})
			nodes := append(numbers(2), young)
			state, problems, err := mesh.Desired(config(), selfOf(observer), nodes)
			if err != nil {
				t.Fatal(err)
			}
			ips, ok := nodeAddresses(state, young.Name)
			if got := strings.Trim(strings.ReplaceAll(fmt.Sprint(ips), " ", ","), "[]"); !ok || got != tt.addresses {
				t.Errorf("n3 is a peer: %v, with addresses %s, want %s", ok, got, tt.addresses)
			}
			if len(problems) == 0 || problems[0].Node != "n3" || !strings.Contains(problems[0].Reason, tt.problem) {
				t.Errorf("problems %v, want one of n3: %s", problems, tt.problem)
			}
			for _, p := range state.Peers {
				if p.Node == "n3" && tt.endpoint != "" && p.Endpoint.String() != tt.endpoint {
					t.Errorf("endpoint %v, want %s", p.Endpoint, tt.endpoint)
				}
			}
			for _, ip := range young.NodeIPs {
				if !guarded(state, ip) {
					t.Errorf("%v is not guarded", ip)
				}
			}
		})
	}
}

// guarded reports whether packets from pods to ip stay in the mesh: ip is in the guard and has a route in the table for
// node addresses, or is a pod's.
func guarded(s mesh.State, ip netip.Addr) bool {
	if slices.ContainsFunc(s.Firewall.ClusterCIDRs, func(p netip.Prefix) bool { return p.Contains(ip) }) {
		return true
	}
	return slices.Contains(s.Firewall.NodeIPs, ip) &&
		(slices.Contains(s.Firewall.OwnIPs, ip) || slices.ContainsFunc(s.Routes, func(r mesh.Route) bool {
			return r.Table == mesh.TableNodes && r.Link == "" && r.Destination.Contains(ip)
		}))
}

// TestNoAddressIsForgotten: whatever is wrong with whom, an address that any node announces is guarded, unless it is
// outside the node CIDRs.
func TestNoAddressIsForgotten(t *testing.T) {
	random := rand.New(rand.NewPCG(11, 12))
	foreign := 0
	for i := range 100 {
		cfg := config()
		if i%2 == 0 {
			cfg.NodeCIDRs = list("10.0.0.0/17")
		}
		nodes := conflicting(random, 12)
		state, _, err := mesh.Desired(cfg, selfOf(observer), nodes)
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range nodes {
			for _, ip := range n.NodeIPs {
				outside := len(cfg.NodeCIDRs) > 0 && ip.Is4() && !cfg.NodeCIDRs[0].Contains(ip)
				switch {
				case !outside && !guarded(state, ip):
					t.Fatalf("%v of %s is not guarded:\n%v", ip, n.Name, state)
				case outside && slices.Contains(state.Firewall.NodeIPs, ip):
					t.Fatalf("%v of %s is outside the node CIDRs, and guarded:\n%v", ip, n.Name, state)
				case outside:
					foreign++
				}
			}
		}
	}
	if foreign < 100 {
		t.Errorf("only %d addresses were outside the node CIDRs", foreign)
	}
}

// TestOwnAddressesAreThoseThatPeersAllow: a source that peers do not allow this node is translated on its way into the
// mesh, and one that they allow is not.
func TestOwnAddressesAreThoseThatPeersAllow(t *testing.T) {
	random := rand.New(rand.NewPCG(13, 14))
	lost := 0
	for range 100 {
		nodes := conflicting(random, 12)
		seen, _, err := mesh.Desired(config(), selfOf(observer), nodes)
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range nodes {
			allowed, ok := nodeAddresses(seen, n.Name)
			if !ok {
				continue
			}
			own, _, err := mesh.Desired(config(), selfOf(n), nodes)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(allowed, own.Firewall.OwnIPs, compareNetip); diff != "" {
				t.Fatalf("addresses of %s (-peers allow +own):\n%s", n.Name, diff)
			}
			lost += len(n.NodeIPs) - len(allowed)
		}
	}
	if lost < 20 {
		t.Errorf("only %d addresses were left out", lost)
	}
}

// TestManyAddresses: there is no limit to what is read, and one to what is said about it.
func TestManyAddresses(t *testing.T) {
	var ips []string
	for i := range 8_000 {
		ips = append(ips, fmt.Sprintf("2001:db8:1::%x", i))
	}
	a := announcement(1)
	a.NodeIPs = strings.Join(ips, ",")
	elder := mesh.ParseNode(mesh.Identity{Name: "elder", UID: "uid-00001", Created: epoch}, a, mesh.Overrides{})
	b := announcement(2)
	b.NodeIPs = a.NodeIPs
	young := mesh.ParseNode(mesh.Identity{Name: "young", UID: "uid-00002", Created: epoch}, b, mesh.Overrides{})
	state, problems, err := mesh.Desired(config(), selfOf(observer), []mesh.Node{young, elder})
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := nodeAddresses(state, "elder"); len(got) != len(ips) {
		t.Errorf("the elder has %d addresses, want %d", len(got), len(ips))
	}
	if got, ok := nodeAddresses(state, "young"); !ok || len(got) > 0 {
		t.Errorf("the younger is a peer: %v, with %d addresses, want none", ok, len(got))
	}
	if len(problems) != 9 || problems[8].Reason != "and 7992 more are left out" {
		t.Errorf("%d problems, want 8 and how many more:\n%s", len(problems), text(problems))
	}
}

// TestSecondPodCIDRIsGuarded: a node with two pod CIDRs of a family is left out, and both are guarded.
func TestSecondPodCIDRIsGuarded(t *testing.T) {
	a := announcement(2)
	a.PodCIDRs = "10.0.2.0/24,10.0.3.0/24"
	two := mesh.ParseNode(mesh.Identity{Name: "two", Created: epoch}, a, mesh.Overrides{})
	state, _, err := mesh.Desired(config(), selfOf(number(1)), []mesh.Node{two})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range list("10.0.2.0/24", "10.0.3.0/24") {
		if len(state.Peers) > 0 || !slices.Contains(state.Firewall.ClusterCIDRs, p) {
			t.Errorf("%v is not guarded:\n%v", p, state)
		}
	}
}

// TestEndpointsFit: a node announces the first address that others accept as its endpoint, not one that they leave out.
func TestEndpointsFit(t *testing.T) {
	for name, tt := range map[string]struct{ nodeCIDRs, ips, want string }{
		"all fit":             {"", "192.0.2.1,192.0.2.2,2001:db8::1", "192.0.2.1:51820,[2001:db8::1]:51820"},
		"pods' range first":   {"", "10.244.9.9,192.0.2.2", "192.0.2.2:51820"},
		"one outside first":   {"192.0.2.0/24", "8.8.8.8,192.0.2.2,2001:db8::1", "192.0.2.2:51820,[2001:db8::1]:51820"},
		"none inside":         {"192.0.2.0/24", "8.8.8.8", "8.8.8.8:51820"},
		"only in pods' range": {"", "10.244.9.9", "10.244.9.9:51820"},
	} {
		cfg, self := config("10.244.0.0/16"), selfOf(number(1))
		if tt.nodeCIDRs != "" {
			cfg.NodeCIDRs = list(tt.nodeCIDRs)
		}
		self.NodeIPs, self.Proof = nil, proof("key-n1", self.UID)
		for ip := range strings.SplitSeq(tt.ips, ",") {
			self.NodeIPs = append(self.NodeIPs, netip.MustParseAddr(ip))
		}
		a := mesh.Announce(cfg, self)
		if a.Endpoint != tt.want || a.NodeIPs != tt.ips {
			t.Errorf("%s: endpoint %s of node IPs %s, want %s of %s", name, a.Endpoint, a.NodeIPs, tt.want, tt.ips)
		}
	}
}
