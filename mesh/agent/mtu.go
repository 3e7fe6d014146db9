package agent

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"warren.mesh/mesh"
	"warren.mesh/mesh/status"
)

// overhead is what WireGuard adds to a packet at most, in bytes: 40 of IPv6, 8 of UDP and 32 of its own, as in
// wg-quick(8).
const overhead = 80

// meshConfig returns the operator's configuration, with an MTU that follows the underlay's if none was set. An underlay
// that cannot be read does not stop the mesh: meshConfig takes the last known MTU then, or the one for Ethernet, and
// warns.
func (a *Agent) meshConfig(self mesh.Self, nodes []mesh.Node) mesh.Config {
	cfg := a.cfg.Mesh
	if cfg.MTU != 0 {
		return cfg
	}
	a.underlay.retry = time.Time{}
	if len(self.NodeIPs) > 0 {
		a.measure(self, nodes)
	}
	cfg.MTU = cmp.Or(a.underlay.mtu, mesh.Defaults().MTU)
	return cfg
}

// underlay is what is known of the way out to other nodes.
type underlay struct {
	// mtu is the last known MTU for the mesh in bytes, zero before.
	mtu int
	// retry is when to look again after a failure; zero after a success. Nobody tells when a way out comes.
	retry time.Time
}

// measure looks for the underlay's MTU.
func (a *Agent) measure(self mesh.Self, nodes []mesh.Node) {
	mtu, err := a.cfg.Host.UnderlayMTU(self.NodeIPs, endpoints(self, nodes))
	warning := ""
	if err == nil {
		a.underlay.mtu = mtu - overhead
	} else {
		a.underlay.retry = time.Now().Add(retryMost)
		warning = fmt.Sprintf("%v: the mesh uses an MTU of %d bytes; set another with --mtu", err,
			cmp.Or(a.underlay.mtu, mesh.Defaults().MTU))
	}
	a.status.Update(func(s status.Snapshot) status.Snapshot { return s.Warn(stepMTU, warning, time.Now()) })
}

// maxWays is to how many of the peers' addresses the way is looked up in each pass.
const maxWays = 16

// endpoints returns addresses to which the peers' packets go: all, or in a large mesh some, evenly spread, because
// nodes behind one router often have neighboring addresses. The choice is the same while the mesh is the same.
func endpoints(self mesh.Self, nodes []mesh.Node) []netip.Addr {
	var all []netip.Addr
	for _, n := range nodes {
		if n.Name == self.Name {
			continue
		}
		for _, e := range n.Endpoints {
			if slices.ContainsFunc(self.NodeIPs, func(ip netip.Addr) bool { return ip.Is4() == e.Addr().Is4() }) {
				all = append(all, e.Addr())
			}
		}
	}
	slices.SortFunc(all, netip.Addr.Compare)
	if all = slices.Compact(all); len(all) <= maxWays {
		return all
	}
	some := make([]netip.Addr, maxWays)
	for i := range some {
		some[i] = all[i*(len(all)-1)/(maxWays-1)]
	}
	return some
}
