package probe

import (
	"context"
	"errors"
	"net/netip"
	"time"

	"warren.mesh/mesh/loop"
	"warren.mesh/mesh/status"
)

const (
	// mostWait is how long an answer may take. The first packet to a peer without a session waits for a handshake.
	mostWait = time.Second
	// leastWait is how long a probe of another size is waited for at least: a host that is busy is not a narrow path.
	leastWait = 250 * time.Millisecond
	// trips is how many of the longest round trips so far an answer may take.
	trips = 4
	// tries is how often a size is tried before it counts as one that does not pass: a single packet may be lost.
	tries = 3
	// pause lies between two probes of one peer.
	pause = 20 * time.Millisecond
	// hopeless is how many small probes a peer gets that answers none, however many were asked for: mostWait for each,
	// in which a device tries a second handshake (after 5 s, Rekey-Timeout).
	hopeless = 8
)

// way is the way to one peer, to be measured.
type way struct {
	// exchange sends a probe, an IP packet of so many bytes, and returns how long the answer took.
	exchange func(ctx context.Context, size int, wait time.Duration) (time.Duration, error)
	// smallest is the size of the smallest probe, and mtu that of the largest one that the interface takes.
	smallest, mtu int
	// known is the path's MTU as it was found before; zero where it was not.
	known int
	// small says that small probes are enough: the path's MTU is not looked for.
	small bool
}

// measure sends so many small probes, fewer if none is answered, and looks for the path's MTU if one is.
func (w way) measure(ctx context.Context, count int) (m status.Measurement, err error) {
	for i := range count {
		if m.Answered == 0 && m.Sent == hopeless {
			break
		}
		if i > 0 && !loop.Sleep(ctx, pause) {
			return m, ctx.Err()
		}
		took, failed := w.exchange(ctx, w.smallest, mostWait)
		if ctx.Err() != nil {
			return m, ctx.Err()
		}
		if m = m.With(took, failed == nil); failed != nil && !errors.Is(failed, errNoAnswer) {
			err = failed
		}
	}
	m.At = time.Now()
	if m.Answered > 0 && !w.small {
		m.PathMTU = w.pathMTU(ctx, min(max(trips*m.RTT.Longest(), leastWait), mostWait))
		err = ctx.Err()
	}
	return m, err
}

// pathMTU returns the size of the largest IP packet that comes back, in bytes; 0 if ctx ended before it was found.
func (w way) pathMTU(ctx context.Context, wait time.Duration) int {
	s := w.narrow(ctx, w.start(ctx, wait), wait)
	// A host that was busy for a moment is not a narrow path: the smallest size that did not pass gets more time, and
	// whatever is above it is looked at again if it passes now.
	for ctx.Err() == nil && s.passes < w.mtu && w.passes(ctx, s.fails, mostWait) {
		s = w.narrow(ctx, search{passes: s.fails, fails: w.mtu + 1}, wait)
	}
	if ctx.Err() != nil {
		return 0
	}
	return s.passes
}

// start returns the search to begin with. Where a narrow path is known, most likely nothing has changed, and the search
// is over already.
func (w way) start(ctx context.Context, wait time.Duration) search {
	s := search{passes: w.smallest, fails: w.mtu + 1}
	if w.smallest < w.known && w.known < w.mtu && !w.passes(ctx, w.mtu, wait) {
		s.fails = w.mtu
		if w.passes(ctx, w.known, wait) && !w.passes(ctx, w.known+1, wait) {
			return search{passes: w.known, fails: w.known + 1}
		}
	}
	return s
}

// narrow tries sizes until the search is done or ctx ends.
func (w way) narrow(ctx context.Context, s search, wait time.Duration) search {
	for size, done := s.first(); !done && ctx.Err() == nil; size, done = s.next() {
		s = s.after(size, w.passes(ctx, size, wait))
	}
	return s
}

// passes reports whether one of a few probes of a size comes back.
func (w way) passes(ctx context.Context, size int, wait time.Duration) bool {
	for range tries {
		if _, err := w.exchange(ctx, size, wait); err == nil {
			return true
		}
	}
	return false
}

// gatewayLike returns the first of the peer's gateways to which this node has a socket.
func gatewayLike(gateways []netip.Addr, has func(netip.Addr) bool) (netip.Addr, bool) {
	for _, g := range gateways {
		if has(g) {
			return g, true
		}
	}
	return netip.Addr{}, false
}
