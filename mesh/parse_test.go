package mesh_test

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"warren.mesh/mesh"
	"warren.mesh/mesh/meshtest"
)

var compareNetip = cmpopts.EquateComparable(netip.Addr{}, netip.AddrPort{}, netip.Prefix{})

func TestParseNode(t *testing.T) {
	id := mesh.Identity{Name: "n1", UID: "uid-00001", Created: epoch}
	sound := mesh.Node{
		Name: "n1", UID: "uid-00001", Created: epoch, PublicKey: key("key-n1"),
		Endpoints: []netip.AddrPort{
			netip.MustParseAddrPort("172.16.0.1:51820"), netip.MustParseAddrPort("[2001:db8::1]:51820"),
		},
		PodCIDRs: []netip.Prefix{netip.MustParsePrefix("10.0.1.0/24"), netip.MustParsePrefix("fd00:10:244:1::/64")},
		NodeIPs:  []netip.Addr{netip.MustParseAddr("172.16.0.1"), netip.MustParseAddr("2001:db8::1")},
	}
	for _, tt := range []struct {
		name   string
		change func(*mesh.Announcement, *mesh.Overrides)
		want   func(*mesh.Node)
	}{
		{"sound", func(*mesh.Announcement, *mesh.Overrides) {}, func(*mesh.Node) {}},
		{"nothing announced", func(a *mesh.Announcement, o *mesh.Overrides) {
			*a, *o = mesh.Announcement{}, mesh.Overrides{ForceEndpoint: "nonsense", Keepalive: "25"}
		}, func(n *mesh.Node) { *n = mesh.Node{Name: "n1", UID: "uid-00001", Created: epoch} }},
		{"class E", func(a *mesh.Announcement, _ *mesh.Overrides) {
			a.PodCIDRs, a.NodeIPs, a.Endpoint = "240.0.1.0/24", "250.0.0.1", "250.0.0.1:51820"
		}, func(n *mesh.Node) {
			n.PodCIDRs, n.NodeIPs = list("240.0.1.0/24"), []netip.Addr{netip.MustParseAddr("250.0.0.1")}
			n.Endpoints = []netip.AddrPort{netip.MustParseAddrPort("250.0.0.1:51820")}
		}},
		{"keepalive", func(_ *mesh.Announcement, o *mesh.Overrides) { o.Keepalive = "65535" },
			func(n *mesh.Node) { n.Keepalive = 65535 * time.Second }},
		{"keepalive off", func(_ *mesh.Announcement, o *mesh.Overrides) { o.Keepalive = "0" }, func(*mesh.Node) {}},
		{"forced endpoint for a malformed one", func(a *mesh.Announcement, o *mesh.Overrides) {
			a.Endpoint, o.ForceEndpoint = "nonsense", "203.0.113.1:1"
		},
			func(n *mesh.Node) { n.Endpoints = []netip.AddrPort{netip.MustParseAddrPort("203.0.113.1:1")} }},
		{"forced endpoint for none", func(a *mesh.Announcement, o *mesh.Overrides) {
			a.Endpoint, o.ForceEndpoint = "", "203.0.113.1:1"
		},
			func(n *mesh.Node) { n.Endpoints = []netip.AddrPort{netip.MustParseAddrPort("203.0.113.1:1")} }},
		{"malformed forced endpoint", func(_ *mesh.Announcement, o *mesh.Overrides) {
			o.ForceEndpoint = "nonsense"
		}, func(n *mesh.Node) {
			n.Endpoints = nil
			problem := mesh.Problem{Node: "n1", Field: mesh.FieldForceEndpoint, Reason: `"nonsense" is not IP:port`}
			n.Malformed = []mesh.Problem{problem}
		}},
		{"an address twice", func(a *mesh.Announcement, _ *mesh.Overrides) {
			a.NodeIPs += ",172.16.0.1"
		}, func(*mesh.Node) {}},
		{"what can be read is kept", func(a *mesh.Announcement, _ *mesh.Overrides) {
			a.PublicKey, a.NodeIPs, a.PodCIDRs = "", "127.0.0.1,"+a.NodeIPs, a.PodCIDRs+",10.0.2.0/24"
		}, func(n *mesh.Node) {
			n.PublicKey = mesh.Node{}.PublicKey
			n.PodCIDRs = append(n.PodCIDRs, netip.MustParsePrefix("10.0.2.0/24"))
			n.Malformed = nil
			for _, p := range []mesh.Problem{
				{Field: mesh.FieldPublicKey, Reason: "missing: all five annotations are published together"},
				{Field: mesh.FieldPodCIDRs, Reason: "10.0.2.0/24 is the second of its address family, one is allowed"},
				{Field: mesh.FieldNodeIPs, Reason: `"127.0.0.1" is a loopback address, not one of a node`},
			} {
				p.Node = "n1"
				n.Malformed = append(n.Malformed, p)
			}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a, o, want := announcement(1), mesh.Overrides{}, sound
			tt.change(&a, &o)
			tt.want(&want)
			if diff := cmp.Diff(want, mesh.ParseNode(id, a, o), compareNetip); diff != "" {
				t.Errorf("ParseNode (-want +got):\n%s", diff)
			}
		})
	}
}

// TestGarbage checks what a Problem must be for an operator, for all the garbage there is.
func TestGarbage(t *testing.T) {
	for _, g := range meshtest.GarbageCorpus() {
		t.Run(g.Name, func(t *testing.T) {
			a, o := announcement(1), mesh.Overrides{}
			g.Spoil(&a, &o)
			n := mesh.ParseNode(mesh.Identity{Name: "n1", UID: "uid-00001"}, a, o)
			if len(n.Malformed) != 1 || n.Malformed[0].Node != "n1" || n.Malformed[0].Field != g.Field {
				t.Fatalf("Problems = %v, want one about %s of n1", n.Malformed, g.Field)
			}
			checkReason(t, n.Malformed[0])
		})
	}
}

// checkReason checks that the Problem is fit for a log line.
func checkReason(t *testing.T, p mesh.Problem) {
	t.Helper()
	if p.Reason == "" || len(p.Reason) > 300 {
		t.Errorf("reason has %d bytes, want 1 to 300: %s", len(p.Reason), p.Reason)
	}
	if strings.ContainsFunc(p.Reason, func(r rune) bool { return r < ' ' || r == 0x7f || r == '\uFFFD' }) {
		t.Errorf("reason has control characters: %q", p.Reason)
	}
}

// FuzzParseNode fuzzes all that others write at once. What is read must hold what Desired relies upon.
func FuzzParseNode(f *testing.F) {
	for _, g := range meshtest.GarbageCorpus() {
		a, o := announcement(1), mesh.Overrides{Keepalive: "25"}
		g.Spoil(&a, &o)
		f.Add(a.PublicKey, a.Proof, a.Endpoint, a.PodCIDRs, a.NodeIPs, o.ForceEndpoint, o.Keepalive)
	}
	f.Fuzz(func(t *testing.T, publicKey, proof, endpoint, podCIDRs, nodeIPs, forceEndpoint, keepalive string) {
		a := mesh.Announcement{PublicKey: publicKey, Proof: proof, Endpoint: endpoint, PodCIDRs: podCIDRs,
			NodeIPs: nodeIPs}
		o := mesh.Overrides{ForceEndpoint: forceEndpoint, Keepalive: keepalive}
		n := mesh.ParseNode(mesh.Identity{Name: "n1", UID: "uid-00001"}, a, o)
		for _, p := range n.Malformed {
			checkReason(t, p)
		}
		if announced := a != (mesh.Announcement{}); announced != n.Announced() {
			t.Errorf("Announced = %v for %+v", n.Announced(), a)
		}
		checkAddresses(t, n)
		complete := !n.PublicKey.IsZero() && len(n.Endpoints) > 0 && len(n.PodCIDRs) > 0 && len(n.NodeIPs) > 0
		if len(n.Malformed) == 0 && n.Announced() && !complete {
			t.Errorf("incomplete without a Problem: %+v", n)
		}
		// Whatever it is, it stops nobody else.
		checkHarmless(t, n)
	})
}

func checkAddresses(t *testing.T, n mesh.Node) {
	t.Helper()
	if len(n.Endpoints) > 2 || len(n.PodCIDRs) > 2 && len(n.Malformed) == 0 {
		t.Errorf("too many: %+v", n)
	}
	ips := n.NodeIPs
	for _, e := range n.Endpoints {
		ips = append(ips[:len(ips):len(ips)], e.Addr())
		if e.Port() == 0 {
			t.Errorf("endpoint %v has no port", e)
		}
	}
	for _, p := range n.PodCIDRs {
		ips = append(ips[:len(ips):len(ips)], p.Addr())
		if p != p.Masked() || !p.Contains(mesh.Gateway(p)) || mesh.Gateway(p) == p.Addr() {
			t.Errorf("pod CIDR %v has no gateway", p)
		}
	}
	for _, ip := range ips {
		if !ip.IsGlobalUnicast() || ip.Zone() != "" || ip.Is4In6() {
			t.Errorf("%v is not global unicast", ip)
		}
	}
}

// checkHarmless puts n, as a newcomer, into a mesh of two.
func checkHarmless(t *testing.T, n mesh.Node) {
	t.Helper()
	n.Name, n.UID, n.Created = "hostile", "uid-99999", epoch.Add(time.Hour)
	state, _, err := mesh.Desired(config(), selfOf(number(1)), append(numbers(2), n))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range state.Peers {
		n2 := number(2)
		if p.Node == "n2" && p.PublicKey == n2.PublicKey && len(p.AllowedIPs) == 4 && p.Endpoint == n2.Endpoints[0] {
			return
		}
	}
	t.Errorf("n2 is no peer, or another, because of %+v:\n%v", n, state)
}
