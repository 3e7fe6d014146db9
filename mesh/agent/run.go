package agent

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

const (
	// retryFirst and retryMost bound the exponential backoff after a failure.
	retryFirst = 250 * time.Millisecond
	retryMost  = 30 * time.Second
	// waitAgain bounds the wait before a host that lacked something, a device process perhaps, is looked at again.
	waitAgain = time.Second
	// restMost bounds the rest after a pass. It must leave room to repair a deleted route within a second.
	restMost = 500 * time.Millisecond
)

// Run reconciles until ctx ends, and leaves everything on the host as it is: what carries traffic outlives the daemon.
func (a *Agent) Run(ctx context.Context) {
	a.log.Info("WireGuard backend chosen", "backend", a.cfg.Backend, "reason", a.cfg.BackendReason)
	var watching sync.WaitGroup
	watching.Go(func() { a.watch(ctx) })
	a.work(ctx)
	watching.Wait()
}

// Poke asks for a pass because the cluster has changed. It never blocks, and many pokes make one pass.
func (a *Agent) Poke() {
	select {
	case a.pokes <- struct{}{}:
	default:
	}
}

// contradicted asks for a pass that observes the host because somebody else has changed it.
func (a *Agent) contradicted() {
	a.host.dirty.Store(true)
	a.Poke()
}

// work is the one worker.
func (a *Agent) work(ctx context.Context) {
	resync := time.NewTicker(a.cfg.Resync)
	defer resync.Stop()
	var retry backoff
	for ctx.Err() == nil {
		start := time.Now()
		a.journal.begin(start)
		a.pass(ctx)
		result := a.journal.end(time.Now())
		if !sleep(ctx, rest(time.Since(start), result)) {
			return
		}
		if result != failed && !a.host.dirty.Load() {
			retry.reset()
		}
		select {
		case <-ctx.Done():
		case <-a.pokes:
		case <-resync.C:
			a.host.dirty.Store(true)
		case <-a.wake(start, retry, result):
			retry.grow()
		}
	}
}

// rest is the pause after a pass, so that a storm of news takes at most half of one core, and a failure that pokes its
// own repair does not spin.
func rest(took time.Duration, result outcome) time.Duration {
	if result == failed {
		return retryFirst
	}
	return min(took, restMost)
}

// wake is when to make a pass that nobody asked for: to retry, to look again for a device process, which pokes nobody
// when it starts, or because a write is due. Nil means never. What was due before the last pass started, that pass had
// its reason not to write.
func (a *Agent) wake(start time.Time, retry backoff, result outcome) <-chan time.Time {
	var times []time.Time
	for _, due := range []time.Time{a.announced.due, a.available.due, a.guard.due} {
		if due.After(start) {
			times = append(times, due)
		}
	}
	switch {
	case result == failed:
		times = append(times, time.Now().Add(retry.delay()))
	case a.host.dirty.Load():
		times = append(times, time.Now().Add(min(retry.delay(), waitAgain)))
	}
	if len(times) == 0 {
		return nil
	}
	return time.After(time.Until(slices.MinFunc(times, time.Time.Compare)))
}

// watch keeps Host.Watch running. While it does not run, drift is only found by the resync.
func (a *Agent) watch(ctx context.Context) {
	var retry backoff
	last := ""
	for {
		err := a.cfg.Host.Watch(ctx, a.contradicted)
		if ctx.Err() != nil {
			return
		}
		a.metrics.watchRestarts.Inc()
		if text := errorText(err); text != last {
			a.log.Warn("watching the host was interrupted", "err", text)
			last = text
		}
		if !sleep(ctx, retry.delay()) {
			return
		}
		retry.grow()
		a.contradicted() // What happened unwatched is found by observing.
	}
}

// backoff is how many retries have failed. News during one neither shortens nor prolongs it.
type backoff struct{ attempts int }

// delay is half of the exponential backoff and up to as much again, so that nodes which failed together do not retry
// together.
func (b backoff) delay() time.Duration {
	d := min(retryFirst<<min(b.attempts, 16), retryMost)
	return d/2 + rand.N(d/2)
}

func (b *backoff) grow()  { b.attempts++ }
func (b *backoff) reset() { b.attempts = 0 }

// sleep reports whether it slept in full, rather than ctx ending first.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
