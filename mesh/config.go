package mesh

import "net/netip"

// Config is what the operator decides, the same on every node.
type Config struct {
	// Link and Bridge are the interfaces' names: warren0 and warren-br0.
	Link, Bridge string
	// Port is WireGuard's UDP port.
	Port uint16
	// MTU is of Link and Bridge, in bytes: the underlay's less 80, or what the operator set.
	MTU int
	// Mark is one bit of the packet mark (fwmark).
	Mark uint32
	// ClusterCIDRs are the ranges that all pod CIDRs come from. Where empty, pod CIDRs go unchecked against them and only
	// those of known nodes are guarded.
	ClusterCIDRs []netip.Prefix
	// NodeCIDRs are ranges of node addresses which pods reach through the mesh or not at all; may be empty.
	NodeCIDRs []netip.Prefix
}

// Defaults is the configuration with every stable name and number in place; MTU suits an underlay of 1,500 bytes.
func Defaults() Config {
	return Config{Link: "warren0", Bridge: "warren-br0", Port: 51820, MTU: 1420, Mark: 0x800000}
}
