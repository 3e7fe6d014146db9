package mesh

import (
	"slices"
	"strings"
)

// Sysctl is one kernel parameter.
type Sysctl struct {
	// Name is its path below /proc/sys.
	Name string
	// Value has no trailing newline.
	Value string
}

// The parameters of the whole host that a State may have (ip-sysctl.rst of the kernel): without the first two the
// kernel forwards nothing; without the third it drops, with strict rp_filter, answers that are marked to go back on the
// underlay.
const (
	forwardIPv4 = "net/ipv4/ip_forward"
	// ForwardIPv6 also says whether the host is a router, which goes by no other router's advertisements.
	ForwardIPv6  = "net/ipv6/conf/all/forwarding"
	srcValidMark = "net/ipv4/conf/all/src_valid_mark"
)

// Forwarding returns the name of the parameter without which the kernel forwards no IPv4 packet that comes in by the
// interface. IPv6 has none: its parameter of that name says whether the interface is a router's.
func Forwarding(iface string) string { return "net/ipv4/conf/" + iface + "/forwarding" }

// DisableIPv6 returns the name of the parameter that takes all IPv6 addresses and routes from the interface.
func DisableIPv6(iface string) string { return "net/ipv6/conf/" + iface + "/disable_ipv6" }

// AcceptRA returns the name of the parameter that says whether the kernel goes by the router advertisements that come
// in by the interface: 0 never, 1 unless it forwards, 2 always.
func AcceptRA(iface string) string { return "net/ipv6/conf/" + iface + acceptRA }

const acceptRA = "/accept_ra"

// IsAcceptRA reports whether AcceptRA returns the name for an interface.
func IsAcceptRA(name string) bool {
	return strings.HasSuffix(name, acceptRA) && Sysctl{Name: name}.OfInterface()
}

// SysctlNames returns the names of all parameters that Desired may ask for: the whole host's, and those of these two
// interfaces.
func SysctlNames(link, bridge string) []string {
	return []string{
		forwardIPv4, ForwardIPv6, srcValidMark,
		Forwarding(link), Forwarding(bridge), DisableIPv6(link), DisableIPv6(bridge),
	}
}

// sysctls returns the parameters without which pods do not reach each other. An interface's are right by default, which
// follows the whole host's; they are here because somebody may change them.
func (b *builder) sysctls() []Sysctl {
	var all []Sysctl
	if b.used[ipv4] {
		all = append(all, Sysctl{forwardIPv4, "1"}, Sysctl{srcValidMark, "1"},
			Sysctl{Forwarding(b.cfg.Link), "1"}, Sysctl{Forwarding(b.cfg.Bridge), "1"})
	}
	if b.used[ipv6] {
		all = append(all, Sysctl{ForwardIPv6, "1"},
			Sysctl{DisableIPv6(b.cfg.Link), "0"}, Sysctl{DisableIPv6(b.cfg.Bridge), "0"})
	}
	return all
}

// diffSysctls returns those of want that have lacks, but for an interface's that have does not know by name: they come
// with the interface. Where the host is to forward IPv6, what it observed with accept_ra 1 comes first, with 2: once it
// forwards, the kernel drops the default routes of those interfaces.
func diffSysctls(want, have []Sysctl) []Sysctl {
	var change []Sysctl
	if slices.Contains(want, Sysctl{ForwardIPv6, "1"}) {
		for _, h := range have {
			if IsAcceptRA(h.Name) && h.Value == "1" {
				change = append(change, Sysctl{h.Name, "2"})
			}
		}
	}
	return append(change, slices.DeleteFunc(without(want, have), func(s Sysctl) bool {
		return s.OfInterface() && !slices.ContainsFunc(have, func(h Sysctl) bool { return h.Name == s.Name })
	})...)
}

// OfInterface reports whether the parameter is one interface's.
func (s Sysctl) OfInterface() bool {
	part := strings.Split(s.Name, "/")
	return len(part) == 5 && part[2] == "conf" && part[3] != "all" && part[3] != "default"
}

func (s Sysctl) compareName(other Sysctl) int { return strings.Compare(s.Name, other.Name) }
