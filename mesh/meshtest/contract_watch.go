package meshtest

import (
	"context"
	"sync/atomic"

	"warren.mesh/mesh"
)

// watched are the drifts in the order in which watch tries them. Deleted routes come first: once they are reported,
// Watch has made all of its subscriptions.
var watched = []string{
	"routes deleted", "link deleted", "link down", "down and up", "MTU", "ruleset flush", "addresses deleted",
	"address added", "route without source", "rules deleted", "peer deleted", "peer with another's addresses",
	"keepalive", "port",
	"node address unguarded",
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

// startWatch watches until the test ends. It calls check and then fills the channel for each poke.
func (c *contract) startWatch(check func()) (poked <-chan struct{}) {
	pokes := make(chan struct{}, 1)
	ctx, stop := context.WithCancel(context.Background())
	c.t.Cleanup(stop)
	c.Go(func() {
		err := c.Host.Watch(ctx, func() {
			check()
			select {
			case pokes <- struct{}{}:
			default:
			}
		})
		if err != nil {
			c.t.Error(err)
		}
	})
	return pokes
}
