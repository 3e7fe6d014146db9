package guard

import (
	"net/netip"
	"strconv"
	"strings"
)

// crossing is one packet that is sent, and what it causes. Both lanes judge the same crossings: the kernel with
// packets, and the tracer with virtual ones.
type crossing struct {
	name string
	// from is the place that sends it, and packet its addresses and ports in the names of family: "pod:5000 >
	// outside:7".
	from, packet string
	// first is the place that sends the first fragment, where the packet comes in two and from sends the last one.
	// Empty for a packet that comes whole.
	first string
	// invalid packets are TCP with SYN and RST, which connection tracking calls invalid and so leaves as they are. All
	// others are UDP.
	invalid bool
	// mark is what others' rules mark the packet with, and source what they translate its source to; none by default.
	mark   uint32
	source string

	// underlay and mesh are the packets that are seen there, in the names of family: "17 node:5000 > outside:7"; none
	// by default. Port 0 stands for one that is drawn at random.
	underlay, mesh string
	// counted is the counter that goes up by one.
	counted string
}

// effect is what a packet causes, in the family's addresses. Counted are the names of counters, once for each packet.
type effect struct{ Underlay, Mesh, Counted []string }

func (c crossing) effect(f family) effect {
	e := effect{Underlay: f.packets(c.underlay), Mesh: f.packets(c.mesh)}
	if c.counted != "" {
		e.Counted = []string{c.counted}
	}
	return e
}

func crossings() []crossing {
	return []crossing{
		{
			name: "pod to a pod without a route in the mesh",
			from: "pod", packet: "pod:5000 > lostPod:7", counted: leakPod,
		},
		{
			name: "host to a pod without a route in the mesh",
			from: "node", packet: "node:5000 > lostPod:7", counted: leakPod,
		},
		{
			name: "out of the mesh to a pod without a route",
			from: "mesh", packet: "remotePod:5000 > lostPod:7", counted: leakPod,
		},
		{name: "pod to a node, not via the mesh", from: "pod", packet: "pod:5000 > otherNode:7", counted: leakNode},
		{
			name: "remote pod to a node, out of the mesh",
			from: "mesh", packet: "remotePod:5000 > otherNode:7", counted: leakNode,
		},
		{
			name: "node to a node, out of the mesh",
			from: "mesh", packet: "thirdNode:5000 > otherNode:7", counted: leakNode,
		},
		{
			name: "gateway address to a node, not via the mesh",
			from: "node", packet: "gateway:5000 > otherNode:7", counted: leakNode,
		},
		{name: "spoofed to the outside", from: "pod", packet: "spoofed:5000 > outside:7", counted: spoofedByPod},
		{name: "spoofed into the mesh", from: "pod", packet: "spoofed:5000 > remotePod:7", counted: spoofedByPod},
		{name: "spoofed to this node", from: "pod", packet: "spoofed:5000 > node:7", counted: spoofedByPod},
		{
			name: "spoofed on the underlay, to a pod",
			from: "underlay", packet: "remotePod:5000 > pod:7", counted: spoofedOnUnderlay,
		},
		{
			name: "spoofed on the underlay, to this node",
			from: "underlay", packet: "remotePod:5000 > node:7", counted: spoofedOnUnderlay,
		},
		{
			name: "spoofed on the underlay, in the name of a pod of this node",
			from: "underlay", packet: "neighbour:5000 > pod:7", counted: spoofedOnUnderlay,
		},
		{name: "plain text to a pod", from: "underlay", packet: "outside:5000 > pod:7", counted: plainToPod},
		{
			name: "plain text to a pod, in a mesh node's name",
			from: "underlay", packet: "otherNode:5000 > pod:7", counted: plainToPod,
		},
		{name: "plain text to a remote pod", from: "underlay", packet: "outside:5000 > farPod:7", counted: plainToPod},
		{
			name: "plain text to a remote pod, in a mesh node's name",
			from: "underlay", packet: "otherNode:5000 > farPod:7", counted: plainToPod,
		},
		{
			name: "plain text to the gateway address",
			from: "underlay", packet: "outside:5000 > gateway:7", counted: plainToPod,
		},
		{
			name: "plain text to a pod, unknown to connection tracking",
			from: "underlay", packet: "outside:5000 > pod:7", invalid: true, counted: plainToPod,
		},
		{
			name:  "first fragment on the underlay, the last out of the mesh",
			first: "underlay", from: "mesh", packet: "remotePod:5000 > pod:7", counted: spoofedOnUnderlay,
		},
		{
			name:  "first fragment on the underlay, in a mesh node's name, the last out of the mesh",
			first: "underlay", from: "mesh", packet: "thirdNode:5000 > pod:7", counted: plainToPod,
		},
		{
			name:  "first fragment from a pod, the last out of the mesh",
			first: "pod", from: "mesh", packet: "remotePod:5000 > node:7", counted: spoofedByPod,
		},
		{
			name:  "last fragment on the underlay, the first out of the mesh",
			first: "mesh", from: "underlay", packet: "remotePod:5000 > pod:7", counted: spoofedOnUnderlay,
		},
		{
			name: "another network to a pod",
			from: "pod", packet: "container:5000 > neighbour:7", counted: plainToPod,
		},
		{name: "plain text to this node", from: "underlay", packet: "outside:5000 > node:7"},
		{name: "WireGuard into the mesh", from: "node", packet: "node:51820 > remotePod:51820", counted: loop},
		{
			name: "WireGuard from the gateway address",
			from: "node", packet: "gateway:51820 > outside:51820", counted: loop,
		},
		{name: "WireGuard from a pod", from: "pod", packet: "pod:5000 > node:51820", counted: loop},
		{name: "WireGuard out of the mesh", from: "mesh", packet: "thirdNode:51820 > gateway:51820", counted: loop},
		{
			name: "WireGuard from a pod address on the underlay",
			from: "underlay", packet: "remotePod:51820 > node:51820", counted: spoofedOnUnderlay,
		},
		{
			name: "pod to the outside, unknown to connection tracking",
			from: "pod", packet: "pod:5000 > outside:7", invalid: true, counted: leakSource,
		},
		{
			name: "remote pod to the outside, out of the mesh",
			from: "mesh", packet: "remotePod:5000 > outside:7", counted: leakSource,
		},
		{name: "pod to a remote pod", from: "pod", packet: "pod:5000 > remotePod:7", mesh: "17 pod:5000 > remotePod:7"},
		{
			name: "pod to a remote pod, from WireGuard's port",
			from: "pod", packet: "pod:51820 > remotePod:51820", mesh: "17 pod:51820 > remotePod:51820",
		},
		{
			name: "node's address into the mesh",
			from: "node", packet: "node:5000 > remotePod:7", mesh: "17 node:5000 > remotePod:7",
		},
		{
			name: "another address into the mesh",
			from: "node", packet: "secondary:5000 > remotePod:7", mesh: "17 gateway:0 > remotePod:7",
			counted: masqueradedIntoMesh,
		},
		{
			name: "node to a node",
			from: "node", packet: "node:5000 > otherNode:7", underlay: "17 node:5000 > otherNode:7",
		},
		{
			name: "another network to a node",
			from: "pod", packet: "container:5000 > otherNode:7", underlay: "17 container:5000 > otherNode:7",
		},
		{
			name: "WireGuard to a node",
			from: "node", packet: "node:51820 > otherNode:51820", underlay: "17 node:51820 > otherNode:51820",
		},
		{name: "pod to the outside", from: "pod", packet: "pod:5000 > outside:7", underlay: "17 node:0 > outside:7"},
		{
			name: "pod to what is no node as far as known",
			from: "pod", packet: "pod:5000 > unlisted:7", underlay: "17 node:0 > unlisted:7",
		},
	}
}

// plainCrossings are judged by the table for plainFirewall.
func plainCrossings() []crossing {
	return []crossing{
		{name: "plain text to a pod, exempt", from: "underlay", packet: "outside:5000 > pod:7"},
		{name: "plain text to a pod, in a range that is exempt", from: "underlay", packet: "unlisted:5000 > pod:7"},
		{
			name: "plain text to a remote pod, exempt", from: "underlay", packet: "outside:5000 > farPod:7",
			mesh: "17 gateway:0 > farPod:7", counted: masqueradedIntoMesh,
		},
		{
			name: "plain text to a pod, in the name of a mesh node in such a range",
			from: "underlay", packet: "otherNode:5000 > pod:7", counted: plainToPod,
		},
		{
			name: "plain text to a remote pod, in the name of a mesh node in such a range",
			from: "underlay", packet: "otherNode:5000 > farPod:7", counted: plainToPod,
		},
		{name: "another network to a pod", from: "pod", packet: "container:5000 > neighbour:7", counted: plainToPod},
		{
			name: "spoofed on the underlay, to a pod",
			from: "underlay", packet: "remotePod:5000 > pod:7", counted: spoofedOnUnderlay,
		},
		{
			name: "pod to what is exempt, unknown to connection tracking",
			from: "pod", packet: "pod:5000 > outside:7", invalid: true, counted: leakSource,
		},
		{
			name: "pod to what is exempt",
			from: "pod", packet: "pod:5000 > outside:7", underlay: "17 node:0 > outside:7",
		},
	}
}

// ends returns the packet's source and destination in the family's addresses.
func (c crossing) ends(f family) (from, to netip.AddrPort) {
	source, destination, _ := strings.Cut(c.packet, " > ")
	return f.endpoint(source), f.endpoint(destination)
}

// packets puts the family's addresses in the place of their names; none for an empty text.
func (f family) packets(text string) []string {
	if text == "" {
		return nil
	}
	fields := strings.Fields(text)
	fields[1], fields[3] = f.endpoint(fields[1]).String(), f.endpoint(fields[3]).String()
	return []string{strings.Join(fields, " ")}
}

// endpoint reads "NAME:PORT".
func (f family) endpoint(text string) netip.AddrPort {
	name, number, _ := strings.Cut(text, ":")
	ip, ok := f.names()[name]
	port, err := strconv.ParseUint(number, 10, 16)
	if !ok || err != nil {
		panic("not an address's name and a port: " + text)
	}
	return netip.AddrPortFrom(ip, uint16(port))
}

func (f family) names() map[string]netip.Addr {
	unspecified, group := netip.IPv6Unspecified(), netip.MustParseAddr("ff02::fb")
	if f.pod.Is4() {
		unspecified, group = netip.IPv4Unspecified(), netip.MustParseAddr("224.0.0.251")
	}
	return map[string]netip.Addr{
		"unspecified": unspecified, "group": group,
		"pod": f.pod, "neighbour": f.neighbour, "spoofed": f.spoofed, "gateway": f.gateway, "node": f.node,
		"secondary": f.secondary, "container": f.container, "otherNode": f.otherNode, "outside": f.outside,
		"unlisted": f.unlisted, "remotePod": f.remotePod, "farPod": f.farPod, "thirdNode": f.thirdNode,
		"lostPod": f.lostPod,
	}
}
