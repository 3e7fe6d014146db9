package linux

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"sigs.k8s.io/knftables"

	"warren.mesh/mesh"
)

// observe reads what the table in force was made of; it is the zero value where there is none, or where it is not exactly
// as replace would make it: an object missing or added, a rule changed, moved or from another version of warren.
//
// A rule rewritten under its old comment goes unnoticed, as does a changed policy: knftables gives back no more.
func (f *firewall) observe(ctx context.Context) (mesh.Firewall, error) {
	fw, err := f.read(ctx)
	if knftables.IsNotFound(err) {
		return mesh.Firewall{}, nil
	}
	if err != nil {
		return mesh.Firewall{}, fmt.Errorf("read nftables table inet %s: %w", firewallTable, err)
	}
	return fw, nil
}

func (f *firewall) read(ctx context.Context) (mesh.Firewall, error) {
	objects, err := f.nft.ListAll(ctx)
	if err != nil {
		return mesh.Firewall{}, err
	}
	rules, err := f.nft.ListRules(ctx, "")
	if err != nil {
		return mesh.Firewall{}, err
	}
	got := summaryOf(objects, rules)
	about, ok := got.about()
	if !ok {
		return mesh.Firewall{}, nil
	}
	fw := mesh.Firewall{Link: about.link, Bridge: about.bridge, Port: about.port, Mark: about.mark}
	if ok, err := f.readSets(ctx, got["set"], &fw); !ok || err != nil {
		return mesh.Firewall{}, err
	}
	if !got.equal(layoutOf(fw).summary()) {
		return mesh.Firewall{}, nil
	}
	return fw, nil
}

// readSets reads those sets that names lists into fw; ok is false where one holds what replace would not put there.
func (f *firewall) readSets(ctx context.Context, names []string, fw *mesh.Firewall) (ok bool, err error) {
	prefixes := map[string]*[]netip.Prefix{clusterSet: &fw.ClusterCIDRs, ownSet: &fw.OwnCIDRs, nodeCIDRsSet: &fw.NodeCIDRs}
	addrs := map[string]*[]netip.Addr{selfSet: &fw.OwnIPs, nodesSet: &fw.NodeIPs}
	for _, name := range names {
		elements, err := f.nft.ListElements(ctx, "set", name)
		if err != nil {
			return false, err
		}
		found, ok := parseElements(elements)
		if !ok {
			return false, nil
		}
		base := strings.TrimRight(name, "46")
		if to, ok := prefixes[base]; ok {
			*to = append(*to, found...)
		} else if to, ok := addrs[base]; ok {
			for _, p := range found {
				*to = append(*to, p.Addr())
			}
		}
	}
	for _, to := range prefixes {
		slices.SortFunc(*to, netip.Prefix.Compare)
	}
	for _, to := range addrs {
		slices.SortFunc(*to, netip.Addr.Compare)
	}
	return true, nil
}

// parseElements reads addresses and prefixes; nft prints a prefix of full length as an address. ok is false for anything
// else, such as a range.
func parseElements(elements []*knftables.Element) (prefixes []netip.Prefix, ok bool) {
	for _, e := range elements {
		if len(e.Key) != 1 {
			return nil, false
		}
		p, err := netip.ParsePrefix(e.Key[0])
		if err != nil {
			ip, err := netip.ParseAddr(e.Key[0])
			if err != nil {
				return nil, false
			}
			p = netip.PrefixFrom(ip, ip.BitLen())
		}
		prefixes = append(prefixes, p)
	}
	return prefixes, true
}
