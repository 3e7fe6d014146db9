package packet

import "fmt"

// String reads like a line of tcpdump's.
func (h Header) String() string {
	switch h.EtherType {
	case EtherARP:
		return fmt.Sprintf("ARP %v asks or tells %v", h.Source, h.Destination)
	case EtherIPv4:
		return "IP " + h.ip()
	case EtherIPv6:
		return "IP6 " + h.ip()
	default:
		return fmt.Sprintf("ethertype %#04x", h.EtherType)
	}
}

func (h Header) ip() string {
	from, to := h.Source.String(), h.Destination.String()
	if h.SourcePort != 0 || h.DestinationPort != 0 {
		from, to = h.From().String(), h.To().String()
	}
	return fmt.Sprintf("%s > %s: %s, %d bytes", from, to, h.protocol(), h.Length)
}

func (h Header) protocol() string {
	switch h.Protocol {
	case TCP:
		return "TCP"
	case UDP:
		return "UDP"
	case ICMP:
		return fmt.Sprintf("ICMP type %d", h.Type)
	case ICMPv6:
		return fmt.Sprintf("ICMPv6 type %d", h.Type)
	default:
		return fmt.Sprintf("protocol %d", h.Protocol)
	}
}
