package handshake

import (
	"context"
	"net"
	"net/netip"
	"time"

	"warren.mesh/mesh"
	"warren.mesh/mesh/loop"
)

// Initiate asks again after again, then after twice as long, and so on, tries times in all. The queue of a TUN holds
// 500 packets and drops what comes while its device waits for the processor, as on a host that boots. A device starts
// no second handshake with a peer within 5 seconds (RekeyTimeout of the protocol). After 15 seconds a peer that sends
// to this node starts a handshake itself.
const (
	again = time.Second
	tries = 5
)

// Initiate has the device behind an interface begin a handshake with each of the peers, by a datagram to the peer's
// gateway, and asks again for those with which it has not begun one according to the readings. It returns when it has
// begun with all, after the last try, or when ctx ends.
//
// It reports nothing: unreachable peers handshake when traffic flows. It opens its sockets on the caller's thread,
// whose network namespace they are about.
func Initiate(ctx context.Context, link string, peers []mesh.Peer, readings *Readings) {
	s, err := newSender(link)
	if err != nil {
		return
	}
	defer s.close()
	own := addresses(link)
	retry(ctx, peers, readings.remaining(ctx), func(some []mesh.Peer) {
		now, later := turns(own, gateways(some))
		takeTurns(ctx, now, later, s.send)
	})
}

// remaining returns which of some peers have not been asked: all of them where the device cannot be read, because a
// needless datagram costs nothing, and a peer that is not asked is out of reach until it sends.
func (r *Readings) remaining(ctx context.Context) func([]mesh.Peer) []mesh.Peer {
	return func(peers []mesh.Peer) []mesh.Peer {
		seen, err := r.Next(ctx, len(peers))
		if err != nil {
			return peers
		}
		return mesh.NeverAsked(peers, seen)
	}
}

// retry calls initiate with all peers, and then with those that remain.
func retry(
	ctx context.Context, peers []mesh.Peer, remaining func([]mesh.Peer) []mesh.Peer, initiate func([]mesh.Peer),
) {
	for i := range tries {
		if len(peers) == 0 {
			return
		}
		initiate(peers)
		if i == tries-1 || !loop.SleepUntil(ctx, time.Now().Add(again<<i)) {
			return
		}
		peers = remaining(peers)
	}
}

// gateways returns the gateways of those peers that have one.
func gateways(peers []mesh.Peer) []netip.Addr {
	var all []netip.Addr
	for _, p := range peers {
		if gateway := p.Gateway(); gateway.IsValid() {
			all = append(all, gateway)
		}
	}
	return all
}

// addresses returns the interface's own addresses; none if it cannot be read.
func addresses(link string) []netip.Addr {
	device, err := net.InterfaceByName(link)
	if err != nil {
		return nil
	}
	assigned, err := device.Addrs()
	if err != nil {
		return nil
	}
	var all []netip.Addr
	for _, a := range assigned {
		if prefix, err := netip.ParsePrefix(a.String()); err == nil {
			all = append(all, prefix.Addr())
		}
	}
	return all
}
