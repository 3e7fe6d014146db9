package cni_test

import (
	"net/netip"
	"testing"

	"github.com/containernetworking/cni/libcni"

	"warren.mesh/cni"
	"warren.mesh/test/golden"
)

func prefixes(texts ...string) []netip.Prefix {
	all := make([]netip.Prefix, len(texts))
	for i, text := range texts {
		all[i] = netip.MustParsePrefix(text)
	}
	return all
}

func TestConflist(t *testing.T) {
	for name, settings := range map[string]cni.Settings{
		"ipv4": {PodCIDRs: prefixes("10.244.1.0/24"), Gate: true},
		"ipv6": {PodCIDRs: prefixes("fd00:10:244:1::/64"), Gate: true},
		// IPv6 first: order of input must not matter.
		"dual": {PodCIDRs: prefixes("fd00:10:244:1::/64", "10.244.1.0/24"), Gate: true},
		"open": {PodCIDRs: prefixes("10.244.1.0/24")},
	} {
		t.Run(name, func(t *testing.T) {
			settings.Bridge, settings.MTU, settings.RunDir = "warren-br0", 1420, "/run/warren"
			got, err := cni.Conflist(settings)
			if err != nil {
				t.Fatal(err)
			}
			golden.Equal(t, "testdata/"+name+".conflist", string(got))
			list, err := libcni.NetworkConfFromBytes(got)
			if err != nil {
				t.Fatalf("libcni cannot read it: %v", err)
			}
			if list.CNIVersion != "1.1.0" {
				t.Errorf("this libcni takes version %s, want the highest it knows, 1.1.0", list.CNIVersion)
			}
		})
	}
}

func TestConflistRefuses(t *testing.T) {
	for name, cidrs := range map[string][]netip.Prefix{
		"no pod CIDR":  nil,
		"two IPv4":     prefixes("10.244.1.0/24", "10.244.2.0/24"),
		"two IPv6":     prefixes("fd00:1::/64", "10.244.1.0/24", "fd00:2::/64"),
		"the same IP4": prefixes("10.244.1.0/24", "10.244.1.0/24"),
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := cni.Conflist(cni.Settings{PodCIDRs: cidrs}); err == nil {
				t.Errorf("got %s, want an error", got)
			}
		})
	}
}
