package firewalls

import (
	"strings"

	"warren.mesh/mesh/nft"
)

// portmapChains are where the plugin portmap has a rule for each pod, which names the container's ID in its comment:
// by nftables, and by iptables.
var portmapChains = []struct{ table, chain string }{
	{"cni_hostport", "hostports"}, {"cni_hostport", "hostip_hostports"}, {"nat", "CNI-HOSTPORT-DNAT"},
}

// Unforwarded returns those of the containers that no rule of portmap's forwards host ports to, in one family, in their
// order. Nobody puts such rules back but the plugin, when a pod is attached.
func Unforwarded(containers []string, v6 bool) (lost []string, err error) {
	if len(containers) == 0 {
		return nil, nil
	}
	family, old := "ip", legacies[0]
	if v6 {
		family, old = "ip6", legacies[1]
	}
	var known strings.Builder
	for _, c := range portmapChains {
		rules, err := nft.Rules(nft.ID{Family: family, Name: c.table}, c.chain)
		if err != nil {
			return nil, err
		}
		for _, r := range rules {
			known.WriteString(r.Comment + "\n")
		}
	}
	_, rules, err := old.read("nat")
	if err != nil {
		return nil, err
	}
	known.Write(rules)
	for _, id := range containers {
		if !strings.Contains(known.String(), id) {
			lost = append(lost, id)
		}
	}
	return lost, nil
}

// ofPortmap reports whether a change is of portmap's table, or of its rules in iptables'.
func ofPortmap(table nft.ID, chain string) bool {
	return table.Name == "cni_hostport" && (chain == "" || chain == "hostports") ||
		table.Name == "nat" && chain == "CNI-HOSTPORT-DNAT"
}
