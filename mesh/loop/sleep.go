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
