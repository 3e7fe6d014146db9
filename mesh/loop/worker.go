// Package loop owns when work is done: pokes, resyncs, retries with backoff, due times and the rest after a pass. It
// does not know what the work is: a pass is a function. Whoever repeats anything in this project waits with this
// package, so that there is one way to sleep and one way to back off.
package loop

import (
	"context"
	"slices"
	"time"
)

const (
	// firstRetry and mostRetry bound the delay before a failed pass is made again. The rest after a failed pass is
	// firstRetry too.
	firstRetry = 250 * time.Millisecond
	mostRetry  = 30 * time.Second
	// mostPoll bounds the delay before a pass that waits for something which pokes nobody is made again.
	mostPoll = time.Second
	// mostRest bounds the rest after a pass, so that the pass that a poke asks for begins within half a second.
	mostRest = 500 * time.Millisecond
)

// Pass does a worker's work once and returns what it needs of the worker next. It must return soon after ctx ends.
// resync is true in the first pass and then once each resync interval: such a pass looks at everything, any other only
// at what it knows to have changed.
type Pass func(ctx context.Context, resync bool) Next

// Next is what a pass needs of its worker. The zero value needs no pass before the next poke or resync.
type Next struct {
	// Failed retries the pass with backoff.
	Failed bool
	// Poll repeats the pass within a second: it waits for something that pokes nobody when it comes.
	Poll bool
	// Restless lets the next pass begin at once, unless this one failed: the pass bounds how often it works by itself.
	Restless bool
	// Due are times at which there is work. The worker ignores zero times and those before the pass began: the pass had
	// its reason not to do that work.
	Due []time.Time
}

// Worker makes passes, one at a time, in the goroutine that calls Run. Make one with New.
type Worker struct {
	pass   Pass
	resync time.Duration
	pokes  chan struct{}
	retry  Backoff
}

// New returns a worker that makes a pass at the start, after a poke, after each resync interval, and when the last pass
// asked for one. A resync of zero means none after the first pass. Nothing happens before Run.
func New(resync time.Duration, pass Pass) *Worker {
	return &Worker{
		pass: pass, resync: resync, pokes: make(chan struct{}, 1),
		retry: Backoff{First: firstRetry, Most: mostRetry, Jitter: true},
	}
}

// Poke asks for a pass. It never blocks, and pokes that come during a pass or a rest make one pass together. Any
// goroutine may call it, before Run too.
func (w *Worker) Poke() {
	select {
	case w.pokes <- struct{}{}:
	default:
	}
}

// Run makes passes until ctx ends, and returns when the last one has. Only one Run may be under way.
func (w *Worker) Run(ctx context.Context) {
	resyncs, stop := ticks(w.resync)
	defer stop()
	for resync := true; ctx.Err() == nil; {
		start := time.Now()
		next := w.pass(ctx, resync)
		if !Sleep(ctx, rest(time.Since(start), next)) {
			return
		}
		if !next.Failed && !next.Poll {
			w.retry.Reset()
		}
		resync = false
		select {
		case <-ctx.Done():
		case <-w.pokes:
		case <-resyncs:
			resync = true
		case <-w.wake(start, next):
			w.retry.Grow()
		}
	}
}

// ticks returns the resyncs; none for an interval of zero.
func ticks(interval time.Duration) (resyncs <-chan time.Time, stop func()) {
	if interval == 0 {
		return nil, func() {}
	}
	ticker := time.NewTicker(interval)
	return ticker.C, ticker.Stop
}

// rest returns the pause after a pass. It is as long as the pass, so that a storm of pokes takes at most half of one
// core, and long enough after a failure that a failing pass which pokes its own worker does not spin.
func rest(took time.Duration, next Next) time.Duration {
	switch {
	case next.Failed:
		return firstRetry
	case next.Restless:
		return 0
	}
	return min(took, mostRest)
}

// wake fires when the worker makes a pass that nobody poked for; nil means never.
func (w *Worker) wake(start time.Time, next Next) <-chan time.Time {
	times := slices.DeleteFunc(slices.Clone(next.Due), func(due time.Time) bool { return !due.After(start) })
	switch {
	case next.Failed:
		times = append(times, time.Now().Add(w.retry.Delay()))
	case next.Poll:
		times = append(times, time.Now().Add(min(w.retry.Delay(), mostPoll)))
	}
	if len(times) == 0 {
		return nil
	}
	return time.After(time.Until(slices.MinFunc(times, time.Time.Compare)))
}
