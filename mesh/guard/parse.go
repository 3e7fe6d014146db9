package guard

import (
	"maps"
	"net/netip"
	"slices"
	"strings"

	"warren.mesh/mesh"
	"warren.mesh/mesh/nft"
)

// Parse returns what the listed table was made from. It is the zero value where there is no table, or where the table
// is not exactly as Layout makes it: an object is missing or added, or a rule is changed, moved or from another version
// of warren. What nft.Listing does not tell goes unnoticed.
func Parse(l nft.Listing) mesh.Firewall {
	text, ok := l.Origin()
	if !ok {
		return mesh.Firewall{}
	}
	o, ok := parseOrigin(text)
	if !ok {
		return mesh.Firewall{}
	}
	fw := mesh.Firewall{Link: o.link, Bridge: o.bridge, Port: o.port, Mark: o.mark}
	if !parseElements(l.Elements, &fw) || !l.Is(Layout(fw)) {
		return mesh.Firewall{}
	}
	return fw
}

// InForce reports whether the listed table is one that warren made, this version or another. A table that was flushed
// is not; what else others did to it goes unnoticed here, and not in Parse.
func InForce(l nft.Listing) bool {
	origin, ok := l.Origin()
	if ok {
		_, ok = parseOrigin(origin)
	}
	return ok
}

// NodeIPEdits returns what makes the addresses of mesh nodes in the listed table, of whatever version of warren, those
// of fw.
func NodeIPEdits(l nft.Listing, fw mesh.Firewall) (edits mesh.Edits[netip.Addr]) {
	missing := map[netip.Addr]bool{}
	for _, ip := range fw.NodeIPs {
		missing[ip] = true
	}
	for _, e := range l.Elements {
		p, ok := parseKey(e.Key)
		switch {
		case !ok || strings.TrimRight(e.Set, "46") != nodeIPsSet:
		case missing[p.Addr()]:
			delete(missing, p.Addr())
		default:
			edits.Remove = append(edits.Remove, p.Addr())
		}
	}
	edits.Add = slices.SortedFunc(maps.Keys(missing), netip.Addr.Compare)
	return edits
}

// parseElements reads the elements of the table's sets into fw; ok is false where one is not of the kind that Layout
// writes.
func parseElements(elements []nft.Element, fw *mesh.Firewall) (ok bool) {
	prefixes := map[string]*[]netip.Prefix{
		clusterSet: &fw.ClusterCIDRs, localPodsSet: &fw.OwnCIDRs,
		nodeCIDRsSet: &fw.NodeCIDRs, plainFromSet: &fw.PlainFrom,
	}
	addrs := map[string]*[]netip.Addr{localIPsSet: &fw.OwnIPs, nodeIPsSet: &fw.NodeIPs}
	for _, e := range elements {
		p, ok := parseKey(e.Key)
		if !ok {
			return false
		}
		set := strings.TrimRight(e.Set, "46")
		if to, ok := prefixes[set]; ok {
			*to = append(*to, p)
		} else if to, ok := addrs[set]; ok {
			*to = append(*to, p.Addr())
		}
	}
	for _, to := range prefixes {
		slices.SortFunc(*to, netip.Prefix.Compare)
	}
	for _, to := range addrs {
		slices.SortFunc(*to, netip.Addr.Compare)
	}
	return true
}

// parseKey reads an address or a prefix; nft prints a prefix of full length as an address. ok is false for anything
// else, such as a range.
func parseKey(key []string) (p netip.Prefix, ok bool) {
	if len(key) != 1 {
		return netip.Prefix{}, false
	}
	p, err := netip.ParsePrefix(key[0])
	if err == nil {
		return p, true
	}
	ip, err := netip.ParseAddr(key[0])
	return netip.PrefixFrom(ip, ip.BitLen()), err == nil
}
