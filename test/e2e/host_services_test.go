package e2e

import (
	"net/netip"
	"testing"

	"warren.mesh/test/lab/capture"
	"warren.mesh/test/lab/host"
	"warren.mesh/test/lab/traffic"
)

// testServices goes through kube-proxy's and the portmap plugin's translations from everywhere.
func testServices(t *testing.T, h *hosts) {
	before := firewallCounts(t, h.Lab)
	h.families(t, func(t *testing.T, like netip.Addr) {
		for _, j := range append(h.toClusterIPs(t, like), h.toNodePorts(t, like)...) {
			j.check(t, h.Lab)
		}
	})
	before.wantSame(t, h.Lab)
}

// toClusterIPs are journeys that end inside the mesh: nobody is masqueraded unless kube-proxy asks for it.
func (h *hosts) toClusterIPs(t *testing.T, like netip.Addr) []journey {
	plain, masqueraded := h.plain.clusterAddr(h.Lab, like), h.masqueraded.clusterAddr(h.Lab, like)
	hostNetwork, own := h.hostNetwork.clusterAddr(h.Lab, like), h.own.clusterAddr(h.Lab, like)
	return []journey{
		{name: "host to remote pod", from: h.one.Host, to: plain, seen: h.one.Addr(like)},
		{name: "host to remote pod, masqueraded", from: h.one.Host, to: masqueraded, seen: h.one.Gateway(t, like)},
		{name: "host to own pod", from: h.three.Host, to: plain, seen: h.three.Addr(like)},
		{name: "pod to remote pod", from: h.a.Host, to: plain, seen: h.a.Addr(like)},
		{name: "pod to remote pod, pods not masqueraded", from: h.a.Host, to: masqueraded, seen: h.a.Addr(like)},
		{name: "pod to pod on its node", from: h.b.Host, to: own, seen: h.b.Addr(like)},
		{name: "pod to itself", from: h.a.Host, to: own, seen: h.one.Gateway(t, like)},
		{name: "pod to remote node", from: h.a.Host, to: hostNetwork, seen: h.a.Addr(like)},
		{name: "pod to its node", from: h.pods[5].Host, to: hostNetwork, seen: h.pods[5].Addr(like)},
	}
}

// toNodePorts are journeys to a port of a node: pods go there through the mesh, nodes and the outside over the
// underlay.
func (h *hosts) toNodePorts(t *testing.T, like netip.Addr) []journey {
	web := netip.AddrPortFrom(h.one.Addr(like), hostPort)
	return []journey{
		{name: "pod to remote node's port, remote pod", from: h.a.Host, to: h.plain.nodeAddr(h.two, like),
			seen: h.two.Gateway(t, like)},
		{name: "pod to remote node's port, host network of a third", from: h.a.Host,
			to: h.hostNetwork.nodeAddr(h.two, like), seen: h.two.Gateway(t, like)},
		{name: "pod to own node's port, remote pod", from: h.a.Host, to: h.plain.nodeAddr(h.one, like),
			seen: h.one.Gateway(t, like)},
		{name: "pod to remote node's host port", from: h.near.Host, to: web, seen: h.near.Addr(like)},
		{name: "pod to remote node's port, local pod", from: h.near.Host, to: h.own.nodeAddr(h.one, like),
			seen: h.near.Addr(like)},

		{name: "host to remote node's port, third node's pod", from: h.two.Host, to: h.plain.nodeAddr(h.one, like),
			seen: h.one.Gateway(t, like), underlay: true},
		{name: "host to remote node's port, own pod", from: h.three.Host, to: h.plain.nodeAddr(h.one, like),
			seen: h.one.Gateway(t, like), underlay: true},
		{name: "host to remote node's port, local pod", from: h.two.Host, to: h.own.nodeAddr(h.one, like),
			seen: h.two.Addr(like), underlay: true},
		{name: "host to remote node's host port", from: h.two.Host, to: web, seen: h.two.Addr(like), underlay: true},
		{name: "outside to node port, remote pod", from: h.Outside, to: h.plain.nodeAddr(h.one, like),
			seen: h.one.Gateway(t, like), underlay: true},
		{name: "outside to node port, local pod", from: h.Outside, to: h.own.nodeAddr(h.one, like),
			seen: h.Outside.Addr(like), underlay: true},
		{name: "outside to host port", from: h.Outside, to: web, seen: h.Outside.Addr(like), underlay: true},
	}
}

// testServiceFlows sends what must not be seen on the underlay through node ports of a node in between.
func testServiceFlows(t *testing.T, h *hosts) {
	var flows traffic.Flows
	for _, like := range h.one.Addrs() {
		for endpoint, s := range map[*host.Host]service{h.three.Host: h.hostNetwork, h.far.Host: h.plain} {
			to := netip.AddrPortFrom(h.two.Addr(like), s.nodePort(traffic.FlowPort))
			flows = append(flows, h.Flow(t, h.a.Host, endpoint, traffic.Options{To: to}))
		}
	}
	flows.WaitEstablished(t)
	pass(t, flows, 200)
	wantNoLoss(t, flows)
	if leaks := h.capture.Report().Packets[capture.Leak]; leaks > 0 {
		t.Errorf("%d packets in plain text", leaks)
	}
}
