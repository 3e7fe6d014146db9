package probe

import (
	"context"
	"testing"
	"time"
)

// carrying is a way that carries packets up to a size, and counts what is sent.
func carrying(size int, sent *int) func(context.Context, int, time.Duration) (time.Duration, error) {
	return func(_ context.Context, bytes int, _ time.Duration) (time.Duration, error) {
		*sent++
		if bytes > size {
			return 0, errNoAnswer
		}
		return time.Millisecond, nil
	}
}

// Whatever the path carries is found to the byte: with one packet where all passes, else with few.
func TestPathMTU(t *testing.T) {
	const mtu, smallest = 1420, 52
	for size := smallest; size <= mtu+10; size++ {
		sent := 0
		w := way{exchange: carrying(size, &sent), smallest: smallest, mtu: mtu}
		want, most := min(size, mtu), 1
		if size < mtu {
			most = 13 * tries
		}
		if got := w.pathMTU(t.Context(), time.Second); got != want || sent > most {
			t.Errorf("%d bytes pass: %d found with %d packets", size, got, sent)
		}
	}
}

// A single packet that is lost is no narrow path.
func TestLostPacketIsNoNarrowPath(t *testing.T) {
	sent := 0
	through := carrying(1420, &sent)
	lossy := func(ctx context.Context, size int, wait time.Duration) (time.Duration, error) {
		if sent++; sent%tries != 0 {
			return 0, errNoAnswer
		}
		return through(ctx, size, wait)
	}
	w := way{smallest: 52, mtu: 1420, exchange: lossy}
	if got := w.pathMTU(t.Context(), time.Second); got != 1420 {
		t.Errorf("%d found", got)
	}
}

// Whenever a host is busy for a moment, the path is found to the byte: it is not called narrower than it is.
func TestBusyHostIsNoNarrowPath(t *testing.T) {
	const mtu, smallest = 1420, 52
	for _, carried := range []int{mtu, mtu - 1, 1216, smallest} {
		for _, known := range []int{0, 1216} {
			for begin := range 14 * tries {
				for busy := range 3 * tries {
					sent, at := 0, 0
					through := carrying(carried, &sent)
					w := way{smallest: smallest, mtu: mtu, known: known}
					w.exchange = func(ctx context.Context, size int, wait time.Duration) (time.Duration, error) {
						if at++; begin < at && at <= begin+busy && wait < mostWait {
							return 0, errNoAnswer
						}
						return through(ctx, size, wait)
					}
					if got := w.pathMTU(t.Context(), leastWait); got != carried {
						t.Fatalf("%d bytes pass, %d known, busy for %d probes after %d: %d found",
							carried, known, busy, begin, got)
					}
				}
			}
		}
	}
}

// A peer that answers nothing is not asked without end: each probe would wait a second.
func TestUnansweredPathHasNoMTU(t *testing.T) {
	for asked, want := range map[int]int{3: 3, 100: hopeless} {
		sent := 0
		m, err := way{exchange: carrying(0, &sent), smallest: 52, mtu: 1420}.measure(t.Context(), asked)
		if err != nil || m.Sent != want || m.Lost() != 100 || m.RTT != nil || m.PathMTU != 0 || sent != want {
			t.Errorf("%d asked for: %+v, %v after %d packets", asked, m, err, sent)
		}
	}
}

// One answer, and all that were asked for are sent.
func TestLossIsCountedInFull(t *testing.T) {
	sent := 0
	w := way{smallest: 52, mtu: 1420, exchange: func(context.Context, int, time.Duration) (time.Duration, error) {
		if sent++; sent == hopeless || sent > 50 {
			return time.Millisecond, nil
		}
		return 0, errNoAnswer
	}}
	if m, err := w.measure(t.Context(), 50); err != nil || m.Sent != 50 || m.Answered != 1 || m.Lost() != 98 {
		t.Errorf("%+v, %v", m, err)
	}
}
