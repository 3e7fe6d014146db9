package cni_test

import (
	"bytes"
	"flag"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"github.com/containernetworking/cni/libcni"
	"github.com/google/go-cmp/cmp"

	"warren.mesh/cni"
)

var update = flag.Bool("update", false, "rewrite the golden files")

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
			golden(t, name+".conflist", got)
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

// golden compares with testdata/name, byte by byte: what is installed is compared that way too.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s (-want +got):\n%s", path, cmp.Diff(string(want), string(got)))
	}
}
