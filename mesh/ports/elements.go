package ports

import (
	"encoding/hex"
	"fmt"
	"net/netip"

	"warren.mesh/mesh/nft"
)

// The sets.
const (
	portsSet   = "ports"
	podlessSet = "podless"
	macSet     = "mac"
	bound4Set  = "bound4"
	bound6Set  = "bound6"
	target6Set = "target6"
	option6Set = "option6"
)

// PortElements returns what one port adds to the table, so that a pod that comes or goes is an edit.
func PortElements(p Port) []nft.Element {
	mac := formatMAC(p.MAC)
	all := []nft.Element{
		{Set: portsSet, Key: []string{p.Interface}},
		{Set: macSet, Key: []string{p.Interface, mac}},
		// The option of a source's and of a target's hardware address: type, length in units of eight bytes, address
		// (RFC 4861, 4.6.1).
		{Set: option6Set, Key: []string{p.Interface, "0x0101" + hex.EncodeToString(p.MAC[:])}},
		{Set: option6Set, Key: []string{p.Interface, "0x0201" + hex.EncodeToString(p.MAC[:])}},
	}
	for _, ip := range p.Addrs {
		all = append(all, addressElements(p.Interface, mac, ip.Unmap())...)
	}
	return all
}

// podlessElements returns the ports of the bridge that are none of these pods'.
func podlessElements(all []string, pods []Port) (elements []nft.Element) {
	known := map[string]bool{}
	for _, p := range pods {
		known[p.Interface] = true
	}
	for _, name := range all {
		if !known[name] {
			elements = append(elements, nft.Element{Set: podlessSet, Key: []string{name}})
		}
	}
	return elements
}

func addressElements(port, mac string, ip netip.Addr) []nft.Element {
	if ip.Is4() {
		return []nft.Element{{Set: bound4Set, Key: []string{port, mac, ip.String()}}}
	}
	return []nft.Element{
		{Set: bound6Set, Key: []string{port, mac, ip.String()}},
		// nft 1.0.6 has no word for the target of an advertisement, and takes it for a number. 1.1 has one, writes it
		// where the target is counted from the header of ICMP on, and then does not load what it has listed. So it is
		// counted from that of IPv6 on. With a header more, a packet with a target is longer than rules let through.
		{Set: target6Set, Key: []string{port, "0x" + hex.EncodeToString(ip.AsSlice())}},
	}
}

func formatMAC(mac [6]byte) string {
	return fmt.Sprintf("%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4], mac[5])
}
