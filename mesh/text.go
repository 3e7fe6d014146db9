package mesh

import (
	"fmt"
	"net/netip"
	"strings"
)

// String returns the state as text, in the words of ip(8) and wg(8). It leaves out absent parts.
func (s State) String() string {
	var b strings.Builder
	if s.Link.Name != "" {
		state := "down"
		if s.Link.Up {
			state = "up"
		}
		fmt.Fprintf(&b, "link %s mtu %d %s%s\n", s.Link.Name, s.Link.MTU, state, list(" address", s.Link.Addresses))
	}
	if s.Bridge.Name != "" {
		floats := ""
		if s.Bridge.Floats {
			floats = " floats"
		}
		fmt.Fprintf(&b, "bridge %s mtu %d%s%s\n", s.Bridge.Name, s.Bridge.MTU, floats,
			list(" address", s.Bridge.Addresses))
	}
	if s.Device != (Device{}) {
		fmt.Fprintf(&b, "device public-key %v port %d", s.Device.PublicKey, s.Device.Port)
		if s.Device.Mark != 0 {
			fmt.Fprintf(&b, " fwmark %#x", s.Device.Mark)
		}
		b.WriteString("\n")
	}
	for _, p := range s.Peers {
		fmt.Fprintf(&b, "peer %v\n", p)
	}
	for _, r := range s.Routes {
		fmt.Fprintf(&b, "route %v\n", r)
	}
	for _, r := range s.Rules {
		fmt.Fprintf(&b, "rule %v\n", r)
	}
	b.WriteString(s.Firewall.String())
	for _, sysctl := range s.Sysctls {
		fmt.Fprintf(&b, "sysctl %s = %s\n", sysctl.Name, sysctl.Value)
	}
	return b.String()
}

// String returns text like "KEY node NAME endpoint 192.0.2.2:51820 allowed-ips 10.244.2.0/24,192.0.2.2/32".
func (p Peer) String() string {
	text := p.PublicKey.String()
	if p.Node != "" {
		text += " node " + p.Node
	}
	if p.Endpoint.IsValid() {
		text += " endpoint " + p.Endpoint.String()
	}
	text += list(" allowed-ips", p.AllowedIPs)
	if p.Keepalive != 0 {
		text += " persistent-keepalive " + p.Keepalive.String()
	}
	if p.Preshared {
		text += " preshared-key"
	}
	return text
}

// String returns text like that of ip-route(8): "10.244.2.0/24 dev warren0 src 10.244.1.1", "unreachable 192.0.2.2/32
// table 8788 metric 4294967295". It leaves out the main table and warren's protocol.
func (r Route) String() string {
	text := r.Destination.String()
	if r.Link == "" {
		text = "unreachable " + text
	} else {
		text += " dev " + r.Link
	}
	if r.Source.IsValid() {
		text += " src " + r.Source.String()
	}
	if r.TOS != 0 {
		text += fmt.Sprintf(" tos %#x", r.TOS)
	}
	if r.Table != TableMain {
		text += fmt.Sprintf(" table %d", r.Table)
	}
	if r.Metric != 0 {
		text += fmt.Sprintf(" metric %d", r.Metric)
	}
	if r.Foreign != 0 {
		text += fmt.Sprintf(" proto %d", r.Foreign)
	}
	return text
}

// String returns text like that of ip-rule(8): "inet fwmark 0x800000/0x800000 lookup main". Only a rule that is astray
// has its preference: "98: inet fwmark 0x800000/0x800000 lookup main".
func (r Rule) String() string {
	text := "inet"
	if r.IPv6 {
		text = "inet6"
	}
	if r.Astray {
		text = fmt.Sprintf("%d: %s", r.Preference, text)
	}
	if r.Mask != 0 {
		text += fmt.Sprintf(" fwmark %#x/%#x", r.Mark, r.Mask)
	}
	if r.From.IsValid() {
		text += " from " + r.From.String()
	}
	if r.To.IsValid() {
		text += " to " + r.To.String()
	}
	if r.Incoming != "" {
		text += " iif " + r.Incoming
	}
	switch r.Table {
	case TableLocal:
		return text + " lookup local"
	case TableMain:
		return text + " lookup main"
	}
	return text + fmt.Sprintf(" lookup %d", r.Table)
}

// String returns one line for the table and one for each of its lists; the empty string if there is no table.
func (f Firewall) String() string {
	if f.Link == "" {
		return ""
	}
	return fmt.Sprintf("firewall link %s bridge %s port %d mark %#x\n", f.Link, f.Bridge, f.Port, f.Mark) +
		line("firewall cluster-cidrs", f.ClusterCIDRs) +
		line("firewall node-cidrs", f.NodeCIDRs) +
		line("firewall plain-from", f.PlainFrom) +
		line("firewall own-cidrs", f.OwnCIDRs) +
		line("firewall own-ips", f.OwnIPs) +
		line("firewall node-ips", f.NodeIPs)
}

// line returns list with a newline.
func line[T netip.Prefix | netip.Addr](name string, values []T) string {
	if len(values) == 0 {
		return ""
	}
	return list(name, values) + "\n"
}

// list returns name, a space and the values, comma-separated; the empty string if there are none.
func list[T netip.Prefix | netip.Addr](name string, values []T) string {
	if len(values) == 0 {
		return ""
	}
	return name + " " + join(values, func(value T) string { return fmt.Sprint(value) })
}
