package meshtest

import (
	"context"
	"net/netip"
	"slices"
	"sync/atomic"

	"warren.mesh/mesh"
)

// watched are the drifts in the order in which watch tries them. Deleted routes come first: once they are reported,
// Watch has made all of its subscriptions.
var watched = []string{
	"routes deleted", "link deleted", "link down", "down and up", "MTU", "ruleset flush", "addresses deleted",
	"address added", "route without source", "rules deleted", "one rule deleted",
	"rules in another order", "another rule first", "others' routes in the place of warren's",
	"others' routes inside a pod CIDR", "peer deleted", "peer with another's addresses",
	"keepalive", "preshared key", "firewall mark", "port",
	"node address unguarded",
	"IPv4 forwarding off", "IPv6 forwarding off", "src_valid_mark off",
	"bridge made", "bridge's MTU",
	"forwarding off on the interface", "IPv6 off on the interface",
}

// watch has others change one thing after the other, and waits until each is reported, for as long as the test may run.
func (c *contract) watch() {
	want := c.desired(members(3)...)
	c.converge(want)
	poked := c.startWatch(func() {})
	for _, name := range watched {
		select {
		case <-poked: // the drift before was reported twice
		default:
		}
		c.t.Log(name)
		drifts[name](c, want)
		<-poked
		c.converge(want)
	}
}

// unprovoked applies one change after the other, none of which may be reported. A drift at the end shows that reports
// arrive.
func (c *contract) unprovoked() {
	small, large := c.desired(members(2)...), c.desiredOf(c.self(77), members(30))
	c.converge(small)
	var provoked atomic.Bool
	poked := c.startWatch(func() {
		if !provoked.Load() {
			c.t.Error("poked by the Host's own change")
		}
	})
	for range 5 {
		c.apply(mesh.Diff(large, small))
		c.apply(mesh.Diff(small, large))
	}
	provoked.Store(true)
	drifts["routes deleted"](c, small)
	<-poked
}

// seen sets another endpoint, which the next readings must have, each peer in its place.
func (c *contract) seen() {
	want := c.desired(members(3)...)
	c.converge(want)
	readings := make(chan []mesh.PeerStatus, 1)
	c.watching(func() {}, func(statuses []mesh.PeerStatus) {
		select {
		case readings <- statuses:
		default:
		}
	})
	for _, endpoint := range []netip.AddrPort{want.Peers[1].Endpoint, want.Peers[1].Alternatives[0]} {
		u := mesh.PeerUpdate{PublicKey: want.Peers[1].PublicKey, Endpoint: &endpoint}
		c.apply(mesh.Change{Peers: mesh.PeerEdits{Update: []mesh.PeerUpdate{u}}})
		for statuses := range readings {
			if !slices.EqualFunc(want.Peers, statuses, isOf) {
				c.t.Fatalf("statuses %v, want one for each of %v", statuses, want.Peers)
			}
			if statuses[1].Endpoint == endpoint {
				break
			}
		}
	}
}

func isOf(p mesh.Peer, s mesh.PeerStatus) bool { return p.PublicKey == s.PublicKey }

// startWatch watches until the test ends. It calls check and then fills the channel for each poke.
func (c *contract) startWatch(check func()) (poked <-chan struct{}) {
	pokes := make(chan struct{}, 1)
	c.watching(func() {
		check()
		select {
		case pokes <- struct{}{}:
		default:
		}
	}, func([]mesh.PeerStatus) {})
	return pokes
}

// watching watches until the test ends.
func (c *contract) watching(poke func(), seen func([]mesh.PeerStatus)) {
	ctx, stop := context.WithCancel(context.Background())
	c.t.Cleanup(stop)
	c.Go(func() {
		if err := c.Host.Watch(ctx, poke, seen); err != nil {
			c.t.Error(err)
		}
	})
}
