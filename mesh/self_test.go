package mesh_test

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"warren.mesh/keys"
	"warren.mesh/mesh"
)

func TestGateway(t *testing.T) {
	for cidr, want := range map[string]string{
		"10.244.1.0/24": "10.244.1.1", "10.244.1.128/25": "10.244.1.129", "10.244.1.7/24": "10.244.1.1",
		"fd00:10:244:1::/64": "fd00:10:244:1::1", "10.0.0.252/30": "10.0.0.253",
	} {
		if got := mesh.Gateway(netip.MustParsePrefix(cidr)); got.String() != want {
			t.Errorf("Gateway(%s) = %v, want %s", cidr, got, want)
		}
	}
}

func TestPeerGateway(t *testing.T) {
	for ips, want := range map[string]string{
		"10.244.2.0/24,fd00::/64,192.0.2.2/32": "10.244.2.1",
		"2001:db8::2/128,fd00::/64":            "fd00::1",
		"192.0.2.2/32":                         "invalid IP",
	} {
		if got := (mesh.Peer{AllowedIPs: prefixes(t, ips)}).Gateway(); got.String() != want {
			t.Errorf("gateway of a peer with %s = %v, want %s", ips, got, want)
		}
	}
}

// TestAnnounceIsRead: what a node says of itself is what the others read.
func TestAnnounceIsRead(t *testing.T) {
	for i := range 300 {
		n := number(i + 1)
		self := selfOf(n)
		self.Proof = proof("key-"+n.Name, n.UID)
		a := mesh.Announce(config(), self)
		if diff := cmp.Diff(announcement(i+1), a); diff != "" {
			t.Fatalf("announcement (-want +got):\n%s", diff)
		}
		read := mesh.ParseNode(mesh.Identity{Name: n.Name, UID: n.UID, Created: n.Created}, a, mesh.Overrides{})
		if diff := cmp.Diff(n, read, compareNetip); diff != "" {
			t.Fatalf("node (-want +got):\n%s", diff)
		}
	}
}

// TestUnusableAddresses: they are named, announced to nobody and stop nothing.
func TestUnusableAddresses(t *testing.T) {
	self := selfOf(number(1))
	self.Proof = proof("key-n1", self.UID)
	var ips []string
	for _, ip := range []string{"fe80::1", "192.0.2.1", "127.0.0.1", "192.0.2.1"} {
		self.NodeIPs = append(self.NodeIPs, netip.MustParseAddr(ip))
	}
	for i := range mesh.MaxNodeIPs + 10 {
		self.NodeIPs = append(self.NodeIPs, netip.AddrFrom4([4]byte{198, 18, byte(i >> 8), byte(i)}))
	}
	self.Malformed = []mesh.Problem{{Node: "n1", Field: mesh.FieldNodeIPs, Reason: "from elsewhere"}}
	state, problems, err := mesh.Desired(config(), self, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, ip := range state.Firewall.NodeIPs {
		ips = append(ips, ip.String())
	}
	announced := strings.Split(mesh.Announce(config(), self).NodeIPs, ",")
	slices.Sort(ips)
	slices.Sort(announced)
	if len(announced) != mesh.MaxNodeIPs {
		t.Errorf("%d addresses are announced, want %d", len(announced), mesh.MaxNodeIPs)
	}
	if diff := cmp.Diff(announced, ips); diff != "" {
		t.Errorf("guarded (-announced +guarded):\n%s", diff)
	}
	const tooMany = "is one too many, 512 are announced: what other nodes' pods send there leaves the mesh in plain " +
		"text, unless --node-cidrs has its range"
	const want = `node n1: warren.mesh/node-ips: "127.0.0.1" is a loopback address, not one of a node
node n1: warren.mesh/node-ips: "fe80::1" is a link-local address, not one of a node
node n1: warren.mesh/node-ips: 198.18.1.253 ` + tooMany + `
node n1: warren.mesh/node-ips: 198.18.1.254 ` + tooMany + `
node n1: warren.mesh/node-ips: 198.18.1.255 ` + tooMany + `
node n1: warren.mesh/node-ips: 198.18.2.0 ` + tooMany + `
node n1: warren.mesh/node-ips: 198.18.2.1 ` + tooMany + `
node n1: warren.mesh/node-ips: 198.18.2.2 ` + tooMany + `
node n1: warren.mesh/node-ips: and 7 more are left out
node n1: warren.mesh/node-ips: from elsewhere
`
	if diff := cmp.Diff(want, text(problems)); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
}

func TestSelfErrors(t *testing.T) {
	for name, tt := range map[string]struct {
		change  func(*mesh.Self)
		waiting bool
		want    string
	}{
		"no pod CIDR": {change: func(s *mesh.Self) { s.PodCIDRs = nil }, waiting: true, want: "pod CIDR"},
		"no node IP":  {change: func(s *mesh.Self) { s.NodeIPs = nil }, waiting: true, want: "node address"},
		"no usable node IP": {
			change:  func(s *mesh.Self) { s.NodeIPs = []netip.Addr{netip.IPv6Loopback()} },
			waiting: true, want: "usable",
		},
		"two pod CIDRs of a family": {
			change: func(s *mesh.Self) { s.PodCIDRs = append(s.PodCIDRs, netip.MustParsePrefix("10.9.0.0/24")) },
			want:   "10.9.0.0/24 is the second",
		},
		"pod CIDR too small": {
			change: func(s *mesh.Self) { s.PodCIDRs = list("10.9.0.0/31") },
			want:   "10.9.0.0/31 is not /8 to /30 long",
		},
		"node IP among its pods": {
			change: func(s *mesh.Self) { s.NodeIPs = []netip.Addr{netip.MustParseAddr("10.0.1.9")} },
			want:   "inside the node's own pod CIDR",
		},
	} {
		t.Run(name, func(t *testing.T) {
			self := selfOf(number(1))
			self.Proof = proof("key-n1", self.UID)
			self.Malformed = []mesh.Problem{{Node: "n1", Reason: "to be told all the same"}}
			tt.change(&self)
			state, problems, err := mesh.Desired(config(), self, numbers(3))
			if err == nil || !strings.Contains(err.Error(), tt.want) || errors.Is(err, mesh.ErrWaiting) != tt.waiting {
				t.Errorf("error = %v, want one that says %q; waiting: %v", err, tt.want, tt.waiting)
			}
			if diff := cmp.Diff(mesh.State{}, state); diff != "" {
				t.Errorf("state beside an error (-want +got):\n%s", diff)
			}
			if !slices.Contains(problems, self.Malformed[0]) {
				t.Errorf("problems = %v, want %v among them", problems, self.Malformed)
			}
			if a := mesh.Announce(config(), self); tt.waiting != (a == mesh.Announcement{}) {
				t.Errorf("announced is %+v", a)
			}
		})
	}
}

func TestSelfIn(t *testing.T) {
	self := mesh.Self{Name: "a", UID: "1"}
	for name, tt := range map[string]struct {
		nodes []mesh.Node
		want  bool
	}{
		"no nodes":              {nil, false},
		"others only":           {[]mesh.Node{{Name: "b", UID: "2"}}, false},
		"another UID":           {[]mesh.Node{{Name: "a", UID: "2"}}, false},
		"its UID, another name": {[]mesh.Node{{Name: "b", UID: "1"}}, false},
		"itself":                {[]mesh.Node{{Name: "b", UID: "2"}, {Name: "a", UID: "1"}}, true},
	} {
		if got := self.In(tt.nodes); got != tt.want {
			t.Errorf("%s: %t, want %t", name, got, tt.want)
		}
	}
}

// TestNothingIsAnnouncedUnproven: others would leave the node out.
func TestNothingIsAnnouncedUnproven(t *testing.T) {
	if a := mesh.Announce(config(), selfOf(number(1))); a != (mesh.Announcement{}) {
		t.Errorf("announced without a proof: %+v", a)
	}
}

func TestSelfCloned(t *testing.T) {
	self := mesh.Self{Name: "a", UID: "5", Created: epoch.Add(5 * time.Second), PublicKey: key("a")}
	other := func(name string, seconds int, key keys.Public) mesh.Node {
		created := epoch.Add(time.Duration(seconds) * time.Second)
		return mesh.Node{Name: name, UID: name, Created: created, PublicKey: key}
	}
	broken := other("broken", 3, key("a"))
	broken.Malformed = []mesh.Problem{{Node: "broken", Field: mesh.FieldEndpoint}}
	for name, tt := range map[string]struct {
		self  mesh.Self
		nodes []mesh.Node
		want  string
	}{
		"nobody":                  {self, nil, ""},
		"an elder with its own":   {self, []mesh.Node{other("b", 1, key("b"))}, ""},
		"an elder unproven":       {self, []mesh.Node{other("b", 1, keys.Public{})}, ""},
		"an elder":                {self, []mesh.Node{other("b", 1, key("a"))}, "b"},
		"an elder left out":       {self, []mesh.Node{broken}, "broken"},
		"the eldest":              {self, []mesh.Node{other("c", 2, key("a")), other("b", 1, key("a")), broken}, "b"},
		"a younger one":           {self, []mesh.Node{other("c", 9, key("a"))}, ""},
		"of one age, by the UID":  {self, []mesh.Node{other("4", 5, key("a"))}, "4"},
		"of one age, and younger": {self, []mesh.Node{other("6", 5, key("a"))}, ""},
		"itself, as it was":       {self, []mesh.Node{other("a", 1, key("a"))}, ""},
		"no key, like another": {
			mesh.Self{Name: "a", Created: epoch}, []mesh.Node{other("b", -1, keys.Public{})}, "",
		},
	} {
		if elder, ok := tt.self.Cloned(tt.nodes); ok != (tt.want != "") || ok && elder != tt.want {
			t.Errorf("%s: %q, %t; want %q", name, elder, ok, tt.want)
		}
	}
}
