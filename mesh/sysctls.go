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
	forwardIPv4  = "net/ipv4/ip_forward"
	forwardIPv6  = "net/ipv6/conf/all/forwarding"
	srcValidMark = "net/ipv4/conf/all/src_valid_mark"
)

// Forwarding returns the name of the parameter without which the kernel forwards no IPv4 packet that comes in by the
// interface. IPv6 has none: its parameter of that name says whether the interface is a router's.
func Forwarding(iface string) string { return "net/ipv4/conf/" + iface + "/forwarding" }

// DisableIPv6 returns the name of the parameter that takes all IPv6 addresses and routes from the interface.
func DisableIPv6(iface string) string { return "net/ipv6/conf/" + iface + "/disable_ipv6" }

// SysctlNames returns the names of all parameters that Desired may ask for: the whole host's, and those of these two
// interfaces.
func SysctlNames(link, bridge string) []string {
	return []string{
		forwardIPv4, forwardIPv6, srcValidMark,
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
		all = append(all, Sysctl{forwardIPv6, "1"},
			Sysctl{DisableIPv6(b.cfg.Link), "0"}, Sysctl{DisableIPv6(b.cfg.Bridge), "0"})
	}
	return all
}

// diffSysctls returns those of want that have lacks, but for an interface's that have does not know by name: they come
// with the interface.
func diffSysctls(want, have []Sysctl) []Sysctl {
	return slices.DeleteFunc(without(want, have), func(s Sysctl) bool {
		return s.ofInterface() && !slices.ContainsFunc(have, func(h Sysctl) bool { return h.Name == s.Name })
	})
}

// ofInterface reports whether the parameter is one interface's.
func (s Sysctl) ofInterface() bool {
	part := strings.Split(s.Name, "/")
	return len(part) == 5 && part[2] == "conf" && part[3] != "all" && part[3] != "default"
}

func (s Sysctl) compareName(other Sysctl) int { return strings.Compare(s.Name, other.Name) }
