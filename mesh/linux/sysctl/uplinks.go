package sysctl

import (
	"net"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"warren.mesh/mesh/linux/rtnl"
)

// Uplinks returns the names of the interfaces that the kernel configures by router advertisements, or would if their
// accept_ra said so, sorted. There are none on a host that forwarded before warren came: it lives without them.
//
// They are interfaces that have a route or an address from an advertisement, and those that may get one later:
// hardware, bonds, teams and VLANs that belong to no bridge. Warren's own are none, nor are the ends of pods' cables
// and tunnels: who is at the other end must not give the host a default route.
func (s *Sysctls) Uplinks() ([]string, error) {
	mine, err := s.forwardsForWarren()
	if err != nil || !mine {
		return nil, err
	}
	links, err := s.Conn.Links()
	if err != nil {
		return nil, err
	}
	advertised, err := s.advertised()
	if err != nil {
		return nil, err
	}
	var names []string
	for _, link := range links {
		name := link.Attrs().Name
		if name == s.Link || name == s.Bridge || !advertised[link.Attrs().Index] && !mayBeAdvertised(link) {
			continue
		}
		names = append(names, name)
	}
	slices.Sort(names)
	return names, nil
}

// advertised returns the indices of interfaces with a route or an address that advertisements give. What a network
// manager has made of them counts, too; but such a manager sets accept_ra to 0.
func (s *Sysctls) advertised() (map[int]bool, error) {
	all := map[int]bool{}
	routes, err := s.Conn.AdvertisedRoutes()
	if err != nil {
		return nil, err
	}
	for _, r := range routes {
		all[r.LinkIndex] = true
	}
	addresses, err := s.Conn.Addresses(nil)
	if err != nil {
		return nil, err
	}
	for _, a := range addresses {
		global := a.IP.To4() == nil && a.Scope == unix.RT_SCOPE_UNIVERSE
		if global && a.Flags&unix.IFA_F_PERMANENT == 0 {
			all[a.LinkIndex] = true
		}
	}
	return all, nil
}

func mayBeAdvertised(link netlink.Link) bool {
	a := link.Attrs()
	return a.MasterIndex == 0 && a.Flags&net.FlagLoopback == 0 && rtnl.Outward(link.Type())
}
