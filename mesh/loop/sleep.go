package loop

import (
	"context"
	"time"
)

// Sleep waits for d and reports whether it waited in full; false means that ctx ended first, or had before. A d of zero
// or less does not wait.
func Sleep(ctx context.Context, d time.Duration) bool {
	if ctx.Err() != nil {
		return false
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// SleepUntil waits until a time and reports whether it came before ctx ended. It does not wait for a time that is past.
func SleepUntil(ctx context.Context, at time.Time) bool { return Sleep(ctx, time.Until(at)) }

// Until calls done, and again after each pause, until it reports true, limit has passed or ctx has ended. It calls done
// at least once, and never a second time if limit is zero or less.
func Until(ctx context.Context, limit, pause time.Duration, done func() bool) {
	end, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for !done() && Sleep(end, pause) {
		continue
	}
}
