package mesh

import (
	"bytes"
	"cmp"
	"net/netip"
	"slices"
	"time"

	"warren.mesh/keys"
)

// State is everything that warren keeps on a host, as it should be or as it was observed. All slices are sorted. The
// zero value of a part means that it is absent or, in an observed state, that it is not wholly as warren makes it. What
// is only seen of a host, and never set, is in PeerStatus.
type State struct {
	Link     Link
	Bridge   Bridge
	Device   Device
	Peers    []Peer
	Routes   []Route
	Rules    []Rule
	Firewall Firewall
	Sysctls  []Sysctl
}

// Link is the WireGuard interface.
type Link struct {
	// Name is empty if the interface is absent.
	Name string
	// MTU is in bytes.
	MTU int
	// Up is the administrative state.
	Up bool
	// Addresses are /32 and /128: the gateway address of each own pod CIDR.
	Addresses []netip.Prefix
}

// Bridge is the pods' bridge. The CNI plugin creates it with the first pod; warren only corrects its MTU and addresses.
type Bridge struct {
	// Name is empty if the bridge is absent.
	Name string
	// MTU is in bytes.
	MTU int
	// Addresses are the gateway address of each own pod CIDR, with that CIDR's prefix length. Link-local addresses do
	// not count.
	Addresses []netip.Prefix
	// Floats says that the bridge's hardware address is its lowest port's, and changes as pods come and go. Pods would
	// send to the old one for as long as their neighbour entries of the gateway last.
	Floats bool
}

// Device is the WireGuard device behind Link.
type Device struct {
	// PublicKey belongs to the private key in the device; zero if it has none.
	PublicKey keys.Public
	// Port is the UDP port it listens on.
	Port uint16
	// Mark is the packet mark (fwmark) of what it sends to peers. No state wants one: others may go by it, as
	// kube-proxy masquerades what has the mark 0x4000.
	Mark uint32
}

// Peer is the configuration of one WireGuard peer.
type Peer struct {
	PublicKey keys.Public
	// Node is the Node's name, by which people know the peer. It is empty on an observed peer, because a device keeps
	// no names; Diff takes an empty name for unknown, not for different.
	Node string
	// Endpoint is where the device sends the peer's packets; the zero value where no endpoint is known (no common
	// address family). WireGuard changes it when the peer roams; see Observation.KeepEndpoints.
	Endpoint netip.AddrPort
	// Alternatives are the peer's other endpoints that this node has an address family for, in order of preference.
	// Answers takes turns through them. A device keeps none of them, and Diff does not compare them.
	Alternatives []netip.AddrPort
	// AllowedIPs are the peer's pod CIDRs and node IPs, sorted.
	AllowedIPs []netip.Prefix
	// Keepalive is the persistent keepalive interval; zero turns it off.
	Keepalive time.Duration
	// Preshared says that the device has a preshared key for the peer. No state wants one: the peer has none of this
	// node, so the two have no session.
	Preshared bool
}

// Routing tables.
const (
	// TableLocal is RT_TABLE_LOCAL of linux/rtnetlink.h: the kernel's own, in which warren writes nothing.
	TableLocal = 255
	// TableMain is RT_TABLE_MAIN of linux/rtnetlink.h. Everybody writes to it.
	TableMain = 254
	// TablePods has the pod CIDRs of the peers. It is warren's own, and so is TableNodes.
	TablePods = 8787
	// TableNodes has the node addresses of the peers. It is looked up for packets that come from pods or out of the
	// mesh.
	TableNodes = 8788
	// TableEarlier is where versions before TablePods and TableNodes had node addresses, and wg-quick(8) has its
	// default route. No state wants a route in it: what is left of warren's is removed.
	TableEarlier = 51820
)

// OwnTable reports whether a routing table is warren's own, in which nobody else has a route.
func OwnTable(table uint32) bool { return table == TablePods || table == TableNodes }

// Protocol marks warren's routes and rules (rtm_protocol; 87 is unassigned in linux/rtnetlink.h and iproute2's
// rt_protos).
const Protocol = 87

// MetricLast is the metric of unreachable routes: any other route to the same destination wins.
const MetricLast = 4294967295

// MetricIPv6 is the metric that the kernel gives to IPv6 routes that are added without one (IP6_RT_PRIO_USER of
// net/ip6_route.h). IPv4 routes get 0.
const MetricIPv6 = 1024

// Route is one route of warren's (protocol Protocol) or, if observed in a table of warren's own, anybody's. It is
// comparable.
type Route struct {
	// Table is TableMain, TablePods or TableNodes; of an observed route also TableEarlier.
	Table uint32
	// Destination is masked.
	Destination netip.Prefix
	// Link is the outgoing interface; empty means an unreachable route.
	Link string
	// Source is the preferred source address; the zero value leaves it to the kernel.
	Source netip.Addr
	// Metric is what the kernel reports: MetricIPv6 for an IPv6 route that is given none.
	Metric uint32
	// Foreign is the protocol (rtm_protocol) of somebody else's route in a table of warren's own, which Diff removes.
	// It is zero for warren's routes.
	Foreign uint8
	// TOS is what an observed IPv4 route selects packets by besides their destination; no state wants such a route.
	TOS uint8
}

// RouteKey identifies a route: Linux refuses a second route of warren's with the same key, or replaces the first.
// Somebody else's route may be there besides.
type RouteKey struct {
	Table       uint32
	Destination netip.Prefix
	Metric      uint32
	Foreign     uint8
	TOS         uint8
}

// Key returns the route's key.
func (r Route) Key() RouteKey { return RouteKey{r.Table, r.Destination, r.Metric, r.Foreign, r.TOS} }

// Rule is one policy-routing rule of warren's (protocol Protocol). It is comparable. Mark with Mask, From, To and
// Incoming each select packets if set.
//
// A State's rules of one address family are a sequence: the kernel asks them one after the other, in the order of the
// list, and all of them before anybody else's. Which preference this takes on a host is for the host to find out.
type Rule struct {
	// IPv6 says the address family; false is IPv4.
	IPv6     bool
	Mark     uint32
	Mask     uint32
	From, To netip.Prefix
	Incoming string
	Table    uint32
	// Astray is set only on an observed rule that does not stand with the sequence: behind a rule of somebody else's,
	// or where an earlier version had it. Diff removes it. Preference is where it stands; zero for rules in their
	// place.
	Astray     bool
	Preference uint32
}

// Firewall is what the nftables table "inet warren" is made of. An observed Firewall is what the table in force was
// made of or, unless that is whole and unaltered, the zero value.
type Firewall struct {
	// Link and Bridge are interface names. Link is empty if the table is absent or not as warren makes it.
	Link, Bridge string
	// Port is WireGuard's UDP port.
	Port uint16
	// Mark is the bit of the packet mark for answers that go back to the underlay.
	Mark uint32
	// ClusterCIDRs are fail-closed: packets to them leave through the mesh or not at all.
	ClusterCIDRs []netip.Prefix
	// NodeCIDRs are ranges of node addresses from the configuration. Packets from pods to them leave through the mesh
	// or not at all.
	NodeCIDRs []netip.Prefix
	// PlainFrom are the sources outside the mesh, from the configuration, whose plain text reaches pods.
	PlainFrom []netip.Prefix
	// OwnCIDRs are this node's pod CIDRs.
	OwnCIDRs []netip.Prefix
	// OwnIPs are this node's InternalIPs.
	OwnIPs []netip.Addr
	// NodeIPs are the addresses of all mesh nodes, this one included, and of nodes that were left out, fail-closed like
	// NodeCIDRs. They alone change one by one, with every node that comes or goes.
	NodeIPs []netip.Addr
}

// Sort sorts all slices of the state, in place: peers by key, addresses by family and number, routes by table and
// destination, rules by family. The order of the rules of one family means something, so it stays.
func (s *State) Sort() {
	slices.SortFunc(s.Link.Addresses, netip.Prefix.Compare)
	slices.SortFunc(s.Bridge.Addresses, netip.Prefix.Compare)
	slices.SortFunc(s.Peers, Peer.compareKey)
	for _, p := range s.Peers {
		slices.SortFunc(p.AllowedIPs, netip.Prefix.Compare)
	}
	slices.SortFunc(s.Routes, Route.Compare)
	slices.SortStableFunc(s.Rules, Rule.compareFamily)
	s.Firewall.sort()
	slices.SortFunc(s.Sysctls, Sysctl.compareName)
}

func (f *Firewall) sort() {
	slices.SortFunc(f.ClusterCIDRs, netip.Prefix.Compare)
	slices.SortFunc(f.NodeCIDRs, netip.Prefix.Compare)
	slices.SortFunc(f.PlainFrom, netip.Prefix.Compare)
	slices.SortFunc(f.OwnCIDRs, netip.Prefix.Compare)
	slices.SortFunc(f.OwnIPs, netip.Addr.Compare)
	slices.SortFunc(f.NodeIPs, netip.Addr.Compare)
}

func (p Peer) compareKey(other Peer) int { return bytes.Compare(p.PublicKey[:], other.PublicKey[:]) }

// Compare orders routes by key, link and source.
func (r Route) Compare(other Route) int {
	return cmp.Or(r.compareKey(other), cmp.Compare(r.Link, other.Link), r.Source.Compare(other.Source))
}

// compareKey orders routes by table, destination, metric and whose they are.
func (r Route) compareKey(other Route) int {
	return cmp.Or(
		cmp.Compare(r.Table, other.Table),
		r.Destination.Compare(other.Destination),
		cmp.Compare(r.Metric, other.Metric),
		cmp.Compare(r.Foreign, other.Foreign))
}

// compareFamily orders IPv4 rules before IPv6 rules.
func (r Rule) compareFamily(other Rule) int { return compareBool(r.IPv6, other.IPv6) }

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	default:
		return 1
	}
}
