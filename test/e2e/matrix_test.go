package e2e

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"warren.mesh/mesh/meshtest"
	"warren.mesh/test/lab"
	"warren.mesh/test/lab/capture"
	"warren.mesh/test/lab/host"
	"warren.mesh/test/lab/traffic"
)

// path is one host's way to another's address, and the source that must be seen at its end.
type path struct {
	from, to *host.Host
	target   netip.Addr
	source   netip.Addr
	// masqueraded says that the source is not the asker's own.
	masqueraded bool
}

// paths are all that must work inside the mesh: between every two pods, and both ways between every pod and every node,
// its own included. Nothing is masqueraded on any of them: pods are seen by their own address, nodes by their
// gateway's.
func (s *scene) paths(t *testing.T) []path {
	t.Helper()
	var all []path
	for _, from := range s.pods {
		for _, own := range from.Addrs() {
			for _, to := range s.pods {
				if to != from {
					all = append(all, path{from: from.Host, to: to.Host, target: to.Addr(own), source: own})
				}
			}
			for _, n := range s.Nodes() {
				all = append(all,
					path{from: from.Host, to: n.Host, target: n.Addr(own), source: own},
					path{from: n.Host, to: from.Host, target: own, source: n.Gateway(t, own)})
			}
		}
	}
	return all
}

// egress are the ways out: every pod is seen outside by its node's address.
func (s *scene) egress() []path {
	var all []path
	for _, from := range s.pods {
		for _, own := range from.Addrs() {
			all = append(all, path{
				from: from.Host, to: s.Outside, target: s.Outside.Addr(own),
				source: from.Node.Addr(own), masqueraded: true,
			})
		}
	}
	return all
}

// check tries a path over TCP, UDP and by ping.
func (p path) check(t *testing.T) {
	t.Helper()
	for _, network := range []string{"tcp", "udp"} {
		own, seen, err := ask(t.Context(), p.from, network, netip.AddrPortFrom(p.target, traffic.EchoPort))
		if err != nil {
			t.Errorf("%s → %s: %v", p.from.Name, p.to.Name, err)
			continue
		}
		if seen.Addr() != p.source || !p.masqueraded && seen != own {
			t.Errorf("%s (%v) → %s %v over %s: seen as %v, want address %v", p.from.Name, own, p.to.Name, p.target,
				network, seen, p.source)
		}
	}
	if _, err := p.from.Ping(p.target); err != nil {
		t.Errorf("%s → %s: %v", p.from.Name, p.to.Name, err)
	}
}

func checkAll(t *testing.T, paths []path) {
	t.Helper()
	for _, p := range paths {
		p.check(t)
	}
	t.Logf("%d paths checked over TCP, UDP and by ping", len(paths))
}

func TestPrivilegedMatrix(t *testing.T) {
	meshtest.Privileged(t)
	t.Parallel()
	for _, family := range []lab.Family{lab.IPv4, lab.IPv6, lab.Dual} {
		t.Run(family.String(), func(t *testing.T) {
			t.Parallel()
			o := lab.Options{Family: family}
			if family == lab.IPv4 {
				o.RPFilter = lab.Off // it has no part in what is kept out
			}
			s := newScene(t, o)
			checkAll(t, s.paths(t))
			s.wantNoneIn(t)
			// Started before the first one ends, so that nothing goes unseen.
			outward := s.CapturePlaintext(t)
			wantNothingElse(t, s.capture.Stop())
			checkAll(t, s.egress())
			if outward.Stop().Packets[capture.Other] == 0 {
				t.Error("the capture has not seen what went outside")
			}
		})
	}
}

// wantNothingElse wants to have seen tunnels, the API server and what finds neighbours, and nothing else.
func wantNothingElse(t *testing.T, r capture.Report) {
	t.Helper()
	t.Logf("on the underlay: %v", r)
	for kind, n := range r.Packets {
		switch kind {
		case capture.WireGuard, capture.API, capture.ARP, capture.ND:
		default:
			others := slices.DeleteFunc(slices.Clone(r.Samples[kind]), refused)
			if n > len(r.Samples[kind]) || len(others) > 0 {
				t.Errorf("%d packets of kind %s on the underlay, some of which are:\n%v", n, kind, others)
			}
		}
	}
	for _, kind := range []capture.Kind{capture.WireGuard, capture.API} {
		if r.Packets[kind] == 0 {
			t.Errorf("no packet of kind %s on the underlay: the capture proves nothing", kind)
		}
	}
}

// refused knows the answer of a node, announced already, whose device does not listen yet: "port unreachable", with the
// handshake (148 bytes) that was too early.
func refused(p capture.Packet) bool {
	return strings.HasSuffix(p.Text, "ICMP type 3, 204 bytes") || strings.HasSuffix(p.Text, "ICMPv6 type 1, 244 bytes")
}
