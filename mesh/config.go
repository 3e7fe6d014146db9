package mesh

import (
	"errors"
	"fmt"
	"math/bits"
	"net/netip"
)

// Config is what the operator decides, alike on every node.
type Config struct {
	// Link and Bridge are the names of the WireGuard interface and of the pods' bridge: warren0 and warren-br0.
	Link, Bridge string
	// Port is WireGuard's UDP port.
	Port uint16
	// MTU is the MTU of Link and Bridge in bytes: the underlay's less 80, or what the operator set.
	MTU int
	// Mark is one bit of the packet mark (fwmark).
	Mark uint32
	// ClusterCIDRs are the ranges that all pod CIDRs come from. If there are none, a node may have any pod CIDR, only
	// the pod CIDRs of known nodes are fail-closed, and each change of one replaces the firewall's table.
	ClusterCIDRs []netip.Prefix
	// NodeCIDRs are ranges of node addresses that pods reach through the mesh or not at all; may be empty.
	NodeCIDRs []netip.Prefix
	// PlainFrom are sources outside the mesh whose plain text reaches pods: load balancers, VPN gateways. Nobody checks
	// who sends in their names. May be empty.
	PlainFrom []netip.Prefix
}

// Defaults returns the configuration with all stable names and numbers, and with the MTU for an underlay of 1,500
// bytes.
func Defaults() Config {
	return Config{Link: "warren0", Bridge: "warren-br0", Port: 51820, MTU: 1420, Mark: 0x800000}
}

// Limits of Config.
const (
	// maxName is IFNAMSIZ of linux/if.h, less the terminating zero.
	maxName = 15
	// maxMTU is the longest IP packet.
	maxMTU = 65535
	// kubeProxyMarks are KUBE-MARK-MASQ and KUBE-MARK-DROP.
	kubeProxyMarks = 0x4000 | 0x8000
)

// minMTU is what RFC 791 and RFC 8200 require of every link, in bytes. On a link with less the kernel turns IPv6 off.
var minMTU = [...]int{ipv4: 576, ipv6: 1280}

// Validate returns an error that names the first value that cannot be, in a sentence for the operator. MTU must be set:
// the caller follows the underlay's.
func (c Config) Validate() error {
	if err := c.validateLink(); err != nil {
		return err
	}
	for _, list := range [][]netip.Prefix{c.ClusterCIDRs, c.NodeCIDRs, c.PlainFrom} {
		for i, p := range list {
			if !p.IsValid() || p.Addr().Is4In6() || p != p.Masked() {
				return fmt.Errorf("configuration: %v is not a CIDR with its host bits zero", p)
			}
			if other, ok := overlapping(list[:i], p); ok {
				return fmt.Errorf("configuration: %v and %v overlap", other, p)
			}
		}
	}
	for _, p := range c.NodeCIDRs {
		if cidr, ok := overlapping(c.ClusterCIDRs, p); ok {
			return fmt.Errorf("configuration: the node CIDR %v overlaps with the cluster CIDR %v", p, cidr)
		}
	}
	for _, p := range c.PlainFrom {
		if cidr, ok := overlapping(c.ClusterCIDRs, p); ok {
			return fmt.Errorf("configuration: plain text from %v overlaps with the cluster CIDR %v: no pod sends any",
				p, cidr)
		}
		if cidr, ok := overlapping(c.NodeCIDRs, p); ok {
			return fmt.Errorf("configuration: plain text from %v overlaps with the node CIDR %v, "+
				"to which pods answer through the mesh only", p, cidr)
		}
	}
	return nil
}

func (c Config) validateLink() error {
	switch {
	case c.Link == "" || c.Bridge == "" || c.Link == c.Bridge || max(len(c.Link), len(c.Bridge)) > maxName:
		return fmt.Errorf("configuration: interface names %q and %q: they must differ and have 1 to %d characters",
			c.Link, c.Bridge, maxName)
	case c.Port == 0:
		return errors.New("configuration: port 0: WireGuard needs a port that peers can know")
	case bits.OnesCount32(c.Mark) != 1 || c.Mark&kubeProxyMarks != 0:
		return fmt.Errorf("configuration: mark %#x is not one bit, or it is one of kube-proxy's (%#x)",
			c.Mark, kubeProxyMarks)
	}
	return c.checkMTU(nil)
}

// checkMTU returns an error if the MTU is too small for the address families of the cluster CIDRs and of podCIDRs.
func (c Config) checkMTU(podCIDRs []netip.Prefix) error {
	least := minMTU[ipv4]
	if c.familiesWith(podCIDRs)[ipv6] {
		least = minMTU[ipv6]
	}
	if c.MTU < least || c.MTU > maxMTU {
		return fmt.Errorf("configuration: MTU %d is not between %d and %d", c.MTU, least, maxMTU)
	}
	return nil
}
