package linux

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"warren.mesh/mesh"
	"warren.mesh/mesh/linux/rtnl"
)

// discard is the port that kicks go to (RFC 863): nobody answers with more than an ICMP error, and that in the tunnel.
const discard = 9

// Kicks beyond a few are spread: a device that starts handshakes with 5,000 peers in one instant keeps every core of its
// host busy, and so do the peers. An initiation takes the userspace device some 100 µs of one core. With kickTurn, all of 1,000
// peers are kicked within 800 ms, and all of 5,000 within 1.3 s.
const (
	kickAtOnce  = 8
	kickPerPeer = 250 * time.Microsecond
	maxSpread   = 500 * time.Millisecond
)

// spreadOf is how long the kicks of one turn take in a mesh of so many peers, whoever's turn they have: every node reckons alike.
func spreadOf(peers int) time.Duration {
	if peers <= kickAtOnce {
		return 0
	}
	return min(time.Duration(peers)*kickPerPeer, maxSpread)
}

// kickTurn is how much later a node kicks the peers with lower addresses than its own, after the others. Nodes learn of each other at the same
// moment, from one event of the API server, and would start handshakes at the same moment: WireGuard has room for one per
// peer, so either initiation makes both forget their own, both responses are refused, and nothing passes until one tries
// again, 5 seconds later (one start in six of a three-node mesh). A kick into a session that stands starts nothing.
const kickTurn = 300 * time.Millisecond

// Peers without a session kickAgain later are kicked again, and after twice as long, and so on, kickRounds times in all: the queue of a TUN holds 500 packets, and drops what
// comes while its device waits for the processor, as on a host that boots. With whom the device began a handshake in the last 5
// seconds (RekeyTimeout of the protocol), it begins none. After 15 seconds who sends to this node does so itself.
const (
	kickAgain  = time.Second
	kickRounds = 5
)

// Kick makes the device start a handshake with the peers of these gateway addresses, by a datagram to each, and returns
// at once. Who cannot be reached is left to the traffic that comes: kicking is a courtesy.
//
// The datagrams are bound to the WireGuard interface. By the routing table alone they could leave by another one while a
// route is missing.
func (h *Host) Kick(ctx context.Context, gateways []netip.Addr) {
	sender, err := newKicker(h.cfg.Link)
	if err != nil || len(gateways) == 0 {
		return
	}
	own := h.linkAddrs()
	go func() {
		defer sender.close()
		insist(ctx, gateways, h.strangers, func(some []netip.Addr) {
			now, later := turns(own, some)
			takeTurns(ctx, now, later, sender.kick)
		})
	}()
}

// insist has all kicked, and then those that remain.
func insist(ctx context.Context, gateways []netip.Addr, remain func([]netip.Addr) []netip.Addr, kick func([]netip.Addr)) {
	kick(gateways)
	for i := range kickRounds - 1 {
		if !sleepUntil(ctx, time.Now().Add(kickAgain<<i)) {
			return
		}
		if gateways = remain(gateways); len(gateways) == 0 {
			return
		}
		kick(gateways)
	}
}

// strangers are those gateways whose peers have never completed a handshake with the device; none where it cannot be read.
func (h *Host) strangers(gateways []netip.Addr) []netip.Addr {
	h.mu.Lock()
	device, err := h.readOwned()
	h.mu.Unlock()
	if err != nil || device == nil {
		return nil
	}
	strange := map[netip.Addr]bool{}
	for _, p := range device.Peers {
		for _, allowed := range p.AllowedIPs {
			if podCIDR := rtnl.ToPrefix(&allowed); !podCIDR.IsSingleIP() {
				strange[mesh.Gateway(podCIDR)] = p.LastHandshakeTime.IsZero()
			}
		}
	}
	return slices.DeleteFunc(slices.Clone(gateways), func(a netip.Addr) bool { return !strange[a] })
}

// takeTurns kicks one part, and the other when every peer has kicked those of its first part.
func takeTurns(ctx context.Context, now, later []netip.Addr, kick func(netip.Addr)) {
	begin, over := time.Now(), spreadOf(len(now)+len(later))
	spread(ctx, now, begin, over, kick)
	spread(ctx, later, begin.Add(over+kickTurn), over, kick)
}

// linkAddrs are the WireGuard interface's own addresses.
func (h *Host) linkAddrs() []netip.Addr {
	var addrs []netip.Addr
	link, err := net.InterfaceByName(h.cfg.Link)
	if err != nil {
		return nil
	}
	assigned, err := link.Addrs()
	if err != nil {
		return nil
	}
	for _, a := range assigned {
		if prefix, err := netip.ParsePrefix(a.String()); err == nil {
			addrs = append(addrs, prefix.Addr())
		}
	}
	return addrs
}

// turns splits gateways: of two nodes that kick each other, the one with the lower address goes first. Where the own
// address of that family is unknown, it is this node's turn.
func turns(own, gateways []netip.Addr) (now, later []netip.Addr) {
	for _, gateway := range gateways {
		after := slices.ContainsFunc(own, func(a netip.Addr) bool {
			return a.Is4() == gateway.Is4() && !a.IsLinkLocalUnicast() && gateway.Less(a)
		})
		if after {
			later = append(later, gateway)
		} else {
			now = append(now, gateway)
		}
	}
	return now, later
}

// spread calls send for each address, in random order, from a time on and spread over a duration.
func spread(ctx context.Context, addrs []netip.Addr, from time.Time, over time.Duration, send func(netip.Addr)) {
	addrs = slices.Clone(addrs)
	rand.Shuffle(len(addrs), func(i, j int) { addrs[i], addrs[j] = addrs[j], addrs[i] })
	for i, a := range addrs {
		if !sleepUntil(ctx, from.Add(over*time.Duration(i)/time.Duration(len(addrs)))) {
			return
		}
		send(a)
	}
}

// sleepUntil reports whether the time came before ctx ended.
func sleepUntil(ctx context.Context, at time.Time) bool {
	if ctx.Err() != nil {
		return false
	}
	timer := time.NewTimer(time.Until(at))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// kicker has a socket of each family that the host has.
type kicker struct{ v4, v6 net.PacketConn }

func newKicker(link string) (*kicker, error) {
	config := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		var bound error
		err := c.Control(func(fd uintptr) { bound = unix.BindToDevice(int(fd), link) })
		return errors.Join(err, bound)
	}}
	var k kicker
	var err4, err6 error
	k.v4, err4 = config.ListenPacket(context.Background(), "udp4", ":0")
	k.v6, err6 = config.ListenPacket(context.Background(), "udp6", ":0")
	if err4 != nil && err6 != nil {
		return nil, errors.Join(err4, err6)
	}
	return &k, nil
}

func (k *kicker) kick(gateway netip.Addr) {
	conn := k.v4
	if gateway.Is6() {
		conn = k.v6
	}
	if conn != nil {
		_, _ = conn.WriteTo([]byte{0}, net.UDPAddrFromAddrPort(netip.AddrPortFrom(gateway, discard)))
	}
}

func (k *kicker) close() {
	for _, conn := range []net.PacketConn{k.v4, k.v6} {
		if conn != nil {
			_ = conn.Close()
		}
	}
}
