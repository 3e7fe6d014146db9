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
)

// discard is the port that kicks go to (RFC 863): nobody answers with more than an ICMP error, and that in the tunnel.
const discard = 9

// Kicks beyond a few are spread: a device that starts handshakes with 5,000 peers in one instant keeps every core of its
// host busy, and so do the peers.
const (
	kickAtOnce = 8
	kickSpread = 500 * time.Millisecond
)

// kickTurn is how much later a node kicks the peers with lower addresses than its own. Nodes learn of each other at the same
// moment, from one event of the API server, and would start handshakes at the same moment: WireGuard has room for one per
// peer, so either initiation makes both forget their own, both responses are refused, and nothing passes until one tries
// again, 5 seconds later (one start in six of a three-node mesh). A kick into a session that stands starts nothing.
const kickTurn = 300 * time.Millisecond

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
	now, later := turns(h.linkAddrs(), gateways)
	go func() {
		defer sender.close()
		spread(ctx, now, sender.kick)
		if len(later) > 0 && sleepUntil(ctx, time.Now().Add(kickTurn)) {
			spread(ctx, later, sender.kick)
		}
	}()
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

// spread calls send for each address: at once for a few, else in random order within kickSpread.
func spread(ctx context.Context, addrs []netip.Addr, send func(netip.Addr)) {
	addrs = slices.Clone(addrs)
	rand.Shuffle(len(addrs), func(i, j int) { addrs[i], addrs[j] = addrs[j], addrs[i] })
	start := time.Now()
	for i, a := range addrs {
		if len(addrs) > kickAtOnce {
			at := start.Add(kickSpread * time.Duration(i) / time.Duration(len(addrs)))
			if !sleepUntil(ctx, at) {
				return
			}
		}
		send(a)
	}
}

// sleepUntil reports whether the time came before ctx ended.
func sleepUntil(ctx context.Context, at time.Time) bool {
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
