package handshake

import (
	"context"
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"

	"warren.mesh/mesh/loop"
)

// Datagrams beyond a few are spread: a device that begins handshakes with 5,000 peers in one instant keeps every core
// of its host busy, and so do the peers. An initiation takes the userspace device some 100 µs of one core. With
// turnAfter, all of 1,000 peers are asked within 800 ms, and all of 5,000 within 1.3 s.
const (
	atOnce    = 8
	perPeer   = 250 * time.Microsecond
	maxSpread = 500 * time.Millisecond
)

// turnAfter is how much later a node asks the peers with lower addresses than its own, after the others. Nodes learn of
// each other at the same moment, from one event of the API server, and would begin handshakes at the same moment.
// WireGuard has room for one handshake per peer, so each initiation makes its receiver forget its own, both responses
// are refused, and nothing passes until one node tries again, 5 seconds later (one start in six of a three-node mesh).
// A datagram into a session that stands begins nothing.
const turnAfter = 300 * time.Millisecond

// spreadOf returns how long one turn takes in a mesh of so many peers. Both turns take as long, however the peers are
// divided between them, so that all nodes agree on when the second begins.
func spreadOf(peers int) time.Duration {
	if peers <= atOnce {
		return 0
	}
	return min(time.Duration(peers)*perPeer, maxSpread)
}

// turns splits gateways in two: of two nodes that ask each other, the one with the lower address goes first. If the own
// address of a gateway's family is unknown, it is this node's turn.
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

// takeTurns sends to the first part, and to the second when every node has sent to the first part of its own.
func takeTurns(ctx context.Context, now, later []netip.Addr, send func(netip.Addr)) {
	begin, over := time.Now(), spreadOf(len(now)+len(later))
	spread(ctx, now, begin, over, send)
	spread(ctx, later, begin.Add(over+turnAfter), over, send)
}

// spread calls send for each address, in random order, from a time on and spread over a duration.
func spread(ctx context.Context, addrs []netip.Addr, from time.Time, over time.Duration, send func(netip.Addr)) {
	addrs = slices.Clone(addrs)
	rand.Shuffle(len(addrs), func(i, j int) { addrs[i], addrs[j] = addrs[j], addrs[i] })
	for i, a := range addrs {
		if !loop.SleepUntil(ctx, from.Add(over*time.Duration(i)/time.Duration(len(addrs)))) {
			return
		}
		send(a)
	}
}
