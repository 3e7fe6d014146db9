package cni

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
)

// lineBreak is between container and interface in host-local's reservations.
const lineBreak = "\r\n"

// Strays returns the addresses of pods on this node that are outside podCIDRs, sorted. These pods were attached when
// the node had other pod CIDRs, and other nodes cannot reach them until they are started again. It reads host-local's
// reservations, one file for each address, named after it.
func (c Configuration) Strays(podCIDRs []netip.Prefix) ([]netip.Addr, error) {
	entries, err := os.ReadDir(filepath.Join(c.dataDir(), Network))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read address reservations: %w", err)
	}
	var strays []netip.Addr
	for _, entry := range entries {
		addr, ok := reserved(entry.Name())
		contains := func(cidr netip.Prefix) bool { return cidr.Contains(addr) }
		if ok && !slices.ContainsFunc(podCIDRs, contains) {
			strays = append(strays, addr)
		}
	}
	slices.SortFunc(strays, netip.Addr.Compare)
	return strays, nil
}

// reserved parses the name of a file in host-local's directory, which also holds "lock" and "last_reserved_ip.N".
func reserved(name string) (netip.Addr, bool) {
	addr, err := netip.ParseAddr(name)
	if err != nil || addr.Zone() != "" {
		return netip.Addr{}, false
	}
	return addr, true
}
