package loop

import (
	"context"
	"sync"
	"time"
)

// steady is how long a run has to last for Keep to forget the failures before it.
const steady = time.Minute

// Keep runs what is to run as long as ctx: it calls run again whenever that returns, until ctx ends, and returns when
// the last run has. It waits before each further run: 250 ms at most after a run of a minute, otherwise twice as long
// each time, 30 s at most.
//
// A run calls began when it does what it is for. report gets nil at that moment, and the error of each run that ends
// before ctx, nil for one that ends without. It is called by one goroutine at a time, but for what calls began.
func Keep(ctx context.Context, run func(ctx context.Context, began func()) error, report func(error)) {
	retry := Backoff{First: firstRetry, Most: mostRetry, Jitter: true}
	for ctx.Err() == nil {
		start := time.Now()
		err := run(ctx, sync.OnceFunc(func() { report(nil) }))
		if ctx.Err() != nil {
			return
		}
		report(err)
		if time.Since(start) >= steady {
			retry.Reset()
		}
		Sleep(ctx, retry.Next())
	}
}
