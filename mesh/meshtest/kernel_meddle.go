package meshtest

import (
	"fmt"
	"maps"
	"net/netip"
	"strings"
	"time"

	"warren.mesh/keys"
	"warren.mesh/mesh"
)

// Meddler is somebody else who changes a host: another program, an administrator, the network itself.
type Meddler interface {
	// Change changes what is warren's, as another process of warren's does.
	Change(c mesh.Change) error
	// DeleteLink deletes the WireGuard interface, and the device with it.
	DeleteLink()
	// SetLink takes the WireGuard interface down or up.
	SetLink(up bool)
	// Preshare sets a preshared key for the peer.
	Preshare(peer keys.Public)
	// Mark sets the packet mark of what the WireGuard device sends to peers.
	Mark(mark uint32)
	// AddBridge creates the bridge, as the CNI plugin does, with this MTU and no address.
	AddBridge(mtu int)
	// FlushRuleset removes all of nftables.
	FlushRuleset()
	// Block puts somebody else's route in the place of this one, also if it is there. Unblock deletes that again.
	Block(r mesh.Route)
	Unblock(r mesh.Route)
	// Precede puts somebody else's rule, which selects nothing, before all others of the family.
	Precede(v6 bool)
	// Earlier adds routes and rules as versions did that had other tables and preferences.
	Earlier()
	// Clutter adds somebody else's routes, rules and tables wherever warren has its own.
	Clutter()
	// Foreign returns the text of everything that is not warren's.
	Foreign() string
}

// foreign is the protocol of routes that a Meddler adds: RTPROT_STATIC of linux/rtnetlink.h.
const foreign = 4

// What a version before TablePods had on a host, one route and rule of each kind.
var (
	earlierRoutes = []mesh.Route{
		{Table: mesh.TableEarlier, Destination: netip.MustParsePrefix("192.0.2.3/32"), Metric: mesh.MetricLast},
		{Table: mesh.TableEarlier, Destination: netip.MustParsePrefix("2001:db8::3/128"), Metric: mesh.MetricLast},
		{Table: mesh.TableMain, Destination: netip.MustParsePrefix("10.244.3.0/24"), Metric: mesh.MetricLast},
	}
	earlierRules = []mesh.Rule{
		{Mark: 0x800000, Mask: 0x800000, Table: mesh.TableMain},
		{From: netip.MustParsePrefix("10.244.0.0/16"), Table: mesh.TableEarlier},
		{IPv6: true, From: netip.MustParsePrefix("fd00:10:244::/48"), Table: mesh.TableEarlier},
	}
)

// Meddler returns somebody else on the modelled host. Their changes poke the callers of Watch.
func (k *Kernel) Meddler() Meddler { return meddler{k} }

type meddler struct{ k *Kernel }

// meddle makes a change that is not the Host's.
func (k *Kernel) meddle(do func()) {
	k.mu.Lock()
	defer k.mu.Unlock()
	do()
	k.meddled = true
	for notify := range k.watchers {
		(*notify)()
	}
}

func (m meddler) Change(c mesh.Change) (err error) {
	m.k.meddle(func() {
		counts := maps.Clone(m.k.counts)
		err = m.k.apply(c)
		m.k.counts = counts
	})
	return err
}

func (m meddler) DeleteLink() {
	m.k.meddle(func() {
		m.k.dropRoutes()
		m.k.link, m.k.device = nil, nil
		delete(m.k.sysctls, mesh.Forwarding(m.k.cfg.Link))
		delete(m.k.sysctls, mesh.DisableIPv6(m.k.cfg.Link))
	})
}

func (m meddler) SetLink(up bool) {
	m.k.meddle(func() {
		m.k.link.up = up
		if up {
			return
		}
		m.k.dropRoutes()
		maps.DeleteFunc(m.k.link.addresses, func(p netip.Prefix, _ bool) bool { return p.Addr().Is6() })
	})
}

func (m meddler) Preshare(peer keys.Public) {
	m.k.meddle(func() {
		p := m.k.device.peers[peer]
		p.Preshared = true
		m.k.device.peers[peer] = p
	})
}

func (m meddler) Mark(mark uint32) { m.k.meddle(func() { m.k.device.Mark = mark }) }

func (m meddler) AddBridge(mtu int) {
	m.k.meddle(func() { m.k.bridge = &link{mtu: mtu, up: true, floats: true, addresses: map[netip.Prefix]bool{}} })
}

func (m meddler) FlushRuleset() {
	m.k.meddle(func() { m.k.firewall = mesh.Firewall{} })
}

func (m meddler) Block(r mesh.Route) {
	m.k.meddle(func() {
		delete(m.k.routes, r.Key())
		r.Foreign = foreign
		m.k.routes[r.Key()] = r
	})
}

func (m meddler) Unblock(r mesh.Route) {
	m.k.meddle(func() {
		r.Foreign = foreign
		delete(m.k.routes, r.Key())
	})
}

func (m meddler) Precede(v6 bool) {
	m.k.meddle(func() {
		m.k.rules = append(m.k.rules, rule{Rule: mesh.Rule{IPv6: v6}, at: m.k.firstRule(v6) - 1, foreign: true})
	})
}

func (m meddler) Earlier() {
	m.k.meddle(func() {
		for _, r := range earlierRoutes {
			m.k.routes[r.Key()] = r
		}
		for _, r := range earlierRules {
			m.k.rules = append(m.k.rules, rule{Rule: r, at: 98})
		}
	})
}

func (m meddler) Clutter() {
	m.k.meddle(func() { m.k.foreign = append(m.k.foreign, "an administrator's rule", "a table of somebody's") })
	m.Block(mesh.Route{Table: mesh.TableMain, Destination: netip.MustParsePrefix("198.51.100.0/24"), Link: "under0"})
	m.Block(mesh.Route{Table: mesh.TableEarlier, Destination: netip.MustParsePrefix("198.51.100.0/24"), Link: "under0"})
}

func (m meddler) Foreign() string {
	m.k.mu.Lock()
	defer m.k.mu.Unlock()
	var b strings.Builder
	for _, line := range m.k.foreign {
		fmt.Fprintln(&b, line)
	}
	var routes []mesh.Route
	for _, r := range m.k.routes {
		if r.Foreign != 0 && !mesh.OwnTable(r.Table) {
			routes = append(routes, r)
		}
	}
	s := mesh.State{Routes: routes}
	s.Sort()
	return b.String() + s.String()
}

// StartDevice starts the userspace device process. Interface and device are there then, without a key, peers and
// addresses, except for what a persistent TUN has kept.
func (k *Kernel) StartDevice() {
	k.meddle(func() {
		if k.link == nil {
			k.addLink(1420)
		}
		k.device = newDevice()
	})
}

// StopDevice kills the userspace device process. Its TUN is persistent: addresses and routes stay.
func (k *Kernel) StopDevice() {
	k.meddle(func() { k.device = nil })
}

// SetUnderlay gives an interface of the underlay its address and MTU, or the way to a peer's address its MTU.
func (k *Kernel) SetUnderlay(addr netip.Addr, mtu int) {
	k.meddle(func() { k.underlay[addr] = mtu })
}

// SetLeaks sets what Leaks returns.
func (k *Kernel) SetLeaks(leaks map[string]uint64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.leaks = leaks
}

// Fail makes every operation of the kind fail with err, until it is called with nil. Kinds are those of Operations,
// "observe" and "leaks".
func (k *Kernel) Fail(kind string, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.faults[kind] = err
}

// Handshake records a handshake with the peer at a time, from this endpoint.
func (k *Kernel) Handshake(key keys.Public, from netip.AddrPort, at time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	p := k.device.peers[key]
	p.Endpoint = from
	k.device.peers[key] = p
	s := k.device.seen[key]
	s.LastHandshake = at
	k.device.seen[key] = s
}

// Traffic counts bytes that went to the peer and came from it, and returns where they went.
func (k *Kernel) Traffic(key keys.Public, sent, received uint64) (endpoint netip.AddrPort) {
	k.mu.Lock()
	defer k.mu.Unlock()
	s := k.device.seen[key]
	s.Sent, s.Received = s.Sent+sent, s.Received+received
	k.device.seen[key] = s
	return k.device.peers[key].Endpoint
}
