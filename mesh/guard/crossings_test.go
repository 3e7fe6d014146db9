package guard

import (
	"maps"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// crossing is what one thing that is sent causes.
type crossing struct {
	name string
	send func(t *testing.T, w *topology, f family)
	// underlay and mesh are the packets seen there, with the names of family in place of addresses; none by default.
	underlay, mesh []string
	// counted are the counters that went up by one.
	counted string
}

func crossings() []crossing {
	return []crossing{
		{name: "pod to a pod without a route in the mesh", counted: leakPod,
			send: func(t *testing.T, w *topology, f family) { w.pod.send(t, f.pod, 5000, f.lostPod, 7) }},
		{name: "host to a pod without a route in the mesh", counted: leakPod,
			send: func(t *testing.T, w *topology, f family) { w.node.send(t, f.node, 5000, f.lostPod, 7) }},
		{name: "out of the mesh to a pod without a route", counted: leakPod,
			send: func(t *testing.T, w *topology, f family) { w.mesh.send(t, f.remotePod, 5000, f.lostPod, 7) }},
		{name: "pod to a node, not via the mesh", counted: leakNode,
			send: func(t *testing.T, w *topology, f family) { w.pod.send(t, f.pod, 5000, f.otherNode, 7) }},
		{name: "remote pod to a node, out of the mesh", counted: leakNode,
			send: func(t *testing.T, w *topology, f family) { w.mesh.send(t, f.remotePod, 5000, f.otherNode, 7) }},
		{name: "node to a node, out of the mesh", counted: leakNode,
			send: func(t *testing.T, w *topology, f family) { w.mesh.send(t, f.thirdNode, 5000, f.otherNode, 7) }},
		{name: "gateway address to a node, not via the mesh", counted: leakNode,
			send: func(t *testing.T, w *topology, f family) { w.node.send(t, f.gateway, 5000, f.otherNode, 7) }},
		{name: "spoofed to the outside", counted: spoofedByPod,
			send: func(t *testing.T, w *topology, f family) { w.pod.send(t, f.spoofed, 5000, f.outside, 7) }},
		{name: "spoofed into the mesh", counted: spoofedByPod,
			send: func(t *testing.T, w *topology, f family) { w.pod.send(t, f.spoofed, 5000, f.remotePod, 7) }},
		{name: "spoofed to this node", counted: spoofedByPod,
			send: func(t *testing.T, w *topology, f family) { w.pod.send(t, f.spoofed, 5000, f.node, 7) }},
		{name: "spoofed on the underlay, to a pod", counted: spoofedOnUnderlay,
			send: func(t *testing.T, w *topology, f family) { w.underlay.send(t, f.remotePod, 5000, f.pod, 7) }},
		{name: "spoofed on the underlay, to this node", counted: spoofedOnUnderlay,
			send: func(t *testing.T, w *topology, f family) { w.underlay.send(t, f.remotePod, 5000, f.node, 7) }},
		{name: "spoofed on the underlay, in the name of a pod of this node", counted: spoofedOnUnderlay,
			send: func(t *testing.T, w *topology, f family) { w.underlay.send(t, f.neighbour, 5000, f.pod, 7) }},
		{name: "WireGuard into the mesh", counted: loop,
			send: func(t *testing.T, w *topology, f family) { w.node.send(t, f.node, 51820, f.remotePod, 51820) }},
		{name: "WireGuard from the gateway address", counted: loop,
			send: func(t *testing.T, w *topology, f family) { w.node.send(t, f.gateway, 51820, f.outside, 51820) }},
		{name: "WireGuard from a pod", counted: loop,
			send: func(t *testing.T, w *topology, f family) { w.pod.send(t, f.pod, 5000, f.node, 51820) }},
		{name: "WireGuard out of the mesh", counted: loop,
			send: func(t *testing.T, w *topology, f family) { w.mesh.send(t, f.thirdNode, 51820, f.gateway, 51820) }},
		{name: "WireGuard from a pod address on the underlay", counted: spoofedOnUnderlay,
			send: func(t *testing.T, w *topology, f family) { w.underlay.send(t, f.remotePod, 51820, f.node, 51820) }},
		{name: "pod to the outside, unknown to connection tracking", counted: leakSource,
			send: func(t *testing.T, w *topology, f family) { w.pod.sendInvalid(t, f) }},
		{name: "remote pod to the outside, out of the mesh", counted: leakSource,
			send: func(t *testing.T, w *topology, f family) { w.mesh.send(t, f.remotePod, 5000, f.outside, 7) }},
		{name: "pod to a remote pod", mesh: []string{"17 pod:5000 > remotePod:7"},
			send: func(t *testing.T, w *topology, f family) { w.pod.send(t, f.pod, 5000, f.remotePod, 7) }},
		{name: "pod to a remote pod, from WireGuard's port", mesh: []string{"17 pod:51820 > remotePod:51820"},
			send: func(t *testing.T, w *topology, f family) { w.pod.send(t, f.pod, 51820, f.remotePod, 51820) }},
		{name: "node's address into the mesh", mesh: []string{"17 node:5000 > remotePod:7"},
			send: func(t *testing.T, w *topology, f family) { w.node.send(t, f.node, 5000, f.remotePod, 7) }},
		{name: "another address into the mesh", counted: masqueradedIntoMesh, mesh: []string{"17 gateway:5000 > remotePod:7"},
			send: func(t *testing.T, w *topology, f family) { w.node.send(t, f.secondary, 5000, f.remotePod, 7) }},
		{name: "node to a node", underlay: []string{"17 node:5000 > otherNode:7"},
			send: func(t *testing.T, w *topology, f family) { w.node.send(t, f.node, 5000, f.otherNode, 7) }},
		{name: "another network to a node", underlay: []string{"17 container:5000 > otherNode:7"},
			send: func(t *testing.T, w *topology, f family) { w.pod.send(t, f.container, 5000, f.otherNode, 7) }},
		{name: "WireGuard to a node", underlay: []string{"17 node:51820 > otherNode:51820"},
			send: func(t *testing.T, w *topology, f family) { w.node.send(t, f.node, 51820, f.otherNode, 51820) }},
		{name: "pod to the outside", underlay: []string{"17 node:5000 > outside:7"},
			send: func(t *testing.T, w *topology, f family) { w.pod.send(t, f.pod, 5000, f.outside, 7) }},
		{name: "pod to what is no node as far as known", underlay: []string{"17 node:5000 > unlisted:7"},
			send: func(t *testing.T, w *topology, f family) { w.pod.send(t, f.pod, 5000, f.unlisted, 7) }},
	}
}

// sendInvalid sends a TCP header with SYN and RST, which connection tracking calls invalid and so leaves as it is.
func (n place) sendInvalid(t *testing.T, f family) {
	t.Helper()
	n.enter(t)
	conn, err := net.ListenIP(f.raw, &net.IPAddr{IP: f.pod.AsSlice()})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	header := []byte{0x13, 0x88, 0, 7, 0, 0, 0, 1, 0, 0, 0, 0, 5 << 4, 0x02 | 0x04, 0, 0, 0, 0, 0, 0}
	if _, err := conn.WriteTo(header, &net.IPAddr{IP: f.outside.AsSlice()}); err != nil {
		t.Fatal(err)
	}
}

// finish sends the last packets: from the pod, on the longest way to both captures.
func (w *topology) finish(t *testing.T, f family) {
	t.Helper()
	w.pod.send(t, f.pod, 0, f.outside, 9)
	w.pod.send(t, f.pod, 0, f.remotePod, 9)
}

// crosses does it, and compares what was seen and counted.
func (w *topology) crosses(t *testing.T, f family, c crossing) {
	t.Helper()
	before := w.counters(t)
	c.send(t, w, f)
	w.finish(t, f)
	if diff := cmp.Diff(f.packets(c.underlay), w.onUnderlay.until(t, c.name)); diff != "" {
		t.Errorf("%s: on the underlay (-want +got):\n%s", c.name, diff)
	}
	if diff := cmp.Diff(f.packets(c.mesh), w.inMesh.until(t, c.name)); diff != "" {
		t.Errorf("%s: in the mesh (-want +got):\n%s", c.name, diff)
	}
	want := maps.Clone(before)
	if c.counted != "" {
		want[c.counted]++
	}
	if diff := cmp.Diff(want, w.counters(t)); diff != "" {
		t.Errorf("%s: counters (-want +got):\n%s", c.name, diff)
	}
}

func (w *topology) counters(t *testing.T) map[string]uint64 {
	t.Helper()
	w.node.enter(t)
	counters, err := w.Counters(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return counters
}

// packets puts the family's addresses in the place of their names.
func (f family) packets(texts []string) []string {
	var all []string
	for _, text := range texts {
		for name, ip := range map[string]netip.Addr{"pod:": f.pod, "gateway:": f.gateway, "node:": f.node, "otherNode:": f.otherNode,
			"outside:": f.outside, "unlisted:": f.unlisted, "remotePod:": f.remotePod, "container:": f.container, "secondary:": f.secondary} {
			text = strings.ReplaceAll(text, " "+name, " "+strings.TrimSuffix(netip.AddrPortFrom(ip, 0).String(), "0"))
		}
		all = append(all, text)
	}
	return all
}
