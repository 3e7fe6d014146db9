package mesh

import (
	"net/netip"
	"slices"

	"warren.mesh/keys"
)

// Diff returns the change that turns have into want, and touches nothing that is right already. A part that is the zero
// value in want (Link, Bridge, Device, Firewall) is left as it is; the lists are meant in full. The bridge is compared
// only if have has it, because the CNI plugin creates it with the first pod; so are the sysctls of an interface.
//
// An observed state passes through Observation.KeepEndpoints first, or Diff sends roaming peers back.
func Diff(want, have State) Change {
	c := Change{
		Sysctls: diffSysctls(want.Sysctls, have.Sysctls),
		Peers:   diffPeers(want.Peers, have.Peers),
		Routes:  diffRoutes(want.Routes, have.Routes),
		Rules:   diffRules(want.Rules, have.Rules),
	}
	c.diffLink(want.Link, have.Link)
	c.diffBridge(want.Bridge, have.Bridge)
	c.diffDevice(want.Device, have.Device)
	c.diffFirewall(want.Firewall, have.Firewall)
	return c
}

func (c *Change) diffLink(want, have Link) {
	if want.Name == "" {
		return
	}
	c.Addresses = diffList(want.Addresses, have.Addresses)
	if want.Name != have.Name || want.MTU != have.MTU || want.Up != have.Up {
		c.Link = &want
	}
}

func (c *Change) diffDevice(want, have Device) {
	if want == (Device{}) || want == have {
		return
	}
	c.Device, c.OldDevice = &want, have
}

func (c *Change) diffBridge(want, have Bridge) {
	if want.Name == "" || want.Name != have.Name {
		return
	}
	c.BridgeAddresses = diffList(want.Addresses, have.Addresses)
	c.FixBridge = have.Floats
	if want.MTU != have.MTU {
		c.BridgeMTU = want.MTU
	}
}

func (c *Change) diffFirewall(want, have Firewall) {
	switch {
	case want.Link == "":
	case want.sameTable(have):
		c.NodeIPs = diffList(want.NodeIPs, have.NodeIPs)
	default:
		c.Firewall = &want
	}
}

// sameTable reports whether the two differ at most in NodeIPs, which are edited in place.
func (f Firewall) sameTable(other Firewall) bool {
	return f.Link == other.Link && f.Bridge == other.Bridge && f.Port == other.Port && f.Mark == other.Mark &&
		slices.Equal(f.ClusterCIDRs, other.ClusterCIDRs) && slices.Equal(f.NodeCIDRs, other.NodeCIDRs) &&
		slices.Equal(f.PlainFrom, other.PlainFrom) &&
		slices.Equal(f.OwnCIDRs, other.OwnCIDRs) && slices.Equal(f.OwnIPs, other.OwnIPs)
}

// diffRoutes leaves out of Remove what Add replaces: removing it by its key would remove the new route.
func diffRoutes(want, have []Route) Edits[Route] {
	edits := diffList(want, have)
	replaced := map[RouteKey]bool{}
	for _, r := range edits.Add {
		replaced[r.Key()] = true
	}
	edits.Remove = slices.DeleteFunc(edits.Remove, func(r Route) bool { return replaced[r.Key()] })
	return edits
}

// diffRules sets the sequence of a family that is not as wanted, also where only the order differs or a rule is there
// twice.
func diffRules(want, have []Rule) RuleEdits {
	edits := RuleEdits{Remove: without(have, want)}
	for _, v6 := range []bool{false, true} {
		sequence := rulesOf(v6, want)
		if !slices.Equal(sequence, without(rulesOf(v6, have), edits.Remove)) {
			edits.Set = append(edits.Set, sequence...)
		}
	}
	return edits
}

// rulesOf returns the rules of one address family, in their order.
func rulesOf(v6 bool, rules []Rule) []Rule {
	return slices.DeleteFunc(slices.Clone(rules), func(r Rule) bool { return r.IPv6 != v6 })
}

func diffPeers(want, have []Peer) PeerEdits {
	var edits PeerEdits
	before := make(map[keys.Public]Peer, len(have))
	for _, p := range have {
		before[p.PublicKey] = p
	}
	wanted := allowedIPs(want)
	for _, p := range want {
		old, known := before[p.PublicKey]
		delete(before, p.PublicKey)
		if !known {
			edits.Add = append(edits.Add, p)
		} else if update, differs := p.updateFrom(old, wanted); differs {
			edits.Update = append(edits.Update, update)
		}
	}
	for _, p := range have {
		if _, stale := before[p.PublicKey]; stale {
			edits.Remove = append(edits.Remove, p)
		}
	}
	return edits
}

// allowedIPs returns the allowed IPs of all peers.
func allowedIPs(peers []Peer) map[netip.Prefix]struct{} {
	all := make(map[netip.Prefix]struct{}, 2*len(peers))
	for _, p := range peers {
		for _, ip := range p.AllowedIPs {
			all[ip] = struct{}{}
		}
	}
	return all
}

// updateFrom returns the update that makes old into p, and whether they differ. wanted are the allowed IPs that any
// peer should have: p loses those to the other peers, by what these are given. The endpoint stays if p has none: a
// device cannot forget one, and it does no harm.
func (p Peer) updateFrom(old Peer, wanted map[netip.Prefix]struct{}) (update PeerUpdate, differs bool) {
	update = PeerUpdate{PublicKey: p.PublicKey, Node: p.Node, AllowedIPs: diffList(p.AllowedIPs, old.AllowedIPs)}
	update.AllowedIPs.Remove = slices.DeleteFunc(update.AllowedIPs.Remove, func(ip netip.Prefix) bool {
		_, moves := wanted[ip]
		return moves
	})
	if p.Endpoint.IsValid() && p.Endpoint != old.Endpoint {
		update.Endpoint = &p.Endpoint
	}
	if p.Keepalive != old.Keepalive {
		update.Keepalive = &p.Keepalive
	}
	update.Unshare = old.Preshared && !p.Preshared
	renamed := old.Node != "" && p.Node != old.Node
	return update, renamed || update.Sets() || len(update.AllowedIPs.Remove) > 0
}

// diffList returns the edits that turn have into want.
func diffList[T comparable](want, have []T) Edits[T] {
	return Edits[T]{Add: without(want, have), Remove: without(have, want)}
}

// without returns the values of list that are not in other, in the order of list.
func without[T comparable](list, other []T) []T {
	known := make(map[T]struct{}, len(other))
	for _, value := range other {
		known[value] = struct{}{}
	}
	var rest []T
	for _, value := range list {
		if _, ok := known[value]; !ok {
			rest = append(rest, value)
		}
	}
	return rest
}
