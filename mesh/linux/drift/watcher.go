package drift

import (
	"context"
	"errors"
	"sync"
	"time"

	"warren.mesh/mesh"
	"warren.mesh/mesh/linux/rtnl"
)

// Limits of how often the device is read: no notification tells of changes to WireGuard's peers, and reading 5,000 of
// them takes some 50 ms of the daemon's processor time and 20 of a userspace device's. So that takes one percent at
// most, whatever their number up to that; more are not read less often, because by the same readings a peer that does
// not answer gets another endpoint. The interval follows their number and not the time that the last reading took: a
// busy machine's delays would count too, and the next reading would come late just then.
const (
	pollEvery   = 500 * time.Millisecond
	pollPerPeer = time.Millisecond
	pollAtLeast = 5 * time.Second
)

func pollInterval(peers int) time.Duration {
	return min(max(pollEvery, time.Duration(peers)*pollPerPeer), pollAtLeast)
}

// Watcher compares a host with what is expected of it. All fields but wake and pending are required.
type Watcher struct {
	Expected *Expected
	Reader   Reader
	// Lock is the host's: it is held while Reader reads and the result is compared, so that no change is under way.
	Lock sync.Locker
	// Poke is called, without Lock, when the host differs.
	Poke func()
	// Seen is called, without Lock, with what is seen of the device's peers each time that it was read, sorted by key.
	Seen func([]mesh.PeerStatus)

	// mu protects pending alone; nothing else is locked while it is held.
	mu      sync.Mutex
	pending Parts
	// wake tells check that pending is not empty.
	wake chan struct{}
}

// Run watches until ctx ends, and returns nil then. It closes the subscription. It calls Reader on the caller's
// goroutine: /proc/sys/net is that of the thread's network namespace.
func (w *Watcher) Run(ctx context.Context, subscription *rtnl.Subscription) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	context.AfterFunc(ctx, subscription.Close)
	w.wake = make(chan struct{}, 1)
	// What changed since the last observation and before the subscription was not notified.
	w.mark(Everything)
	var group sync.WaitGroup
	var err error
	group.Go(func() {
		defer cancel()
		err = w.receive(ctx, subscription)
	})
	w.check(ctx)
	group.Wait()
	return err
}

// receive reads notifications and waits for nothing else, so that few are lost. Where some are, everything is pending.
func (w *Watcher) receive(ctx context.Context, subscription *rtnl.Subscription) error {
	for {
		events, err := subscription.Receive()
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, rtnl.ErrLost):
			w.mark(Everything)
		case err != nil:
			return err
		}
		for _, event := range events {
			w.mark(w.Expected.MayDiffer(event))
		}
	}
}

// mark adds parts to those that check reads next.
func (w *Watcher) mark(p Parts) {
	if p == 0 {
		return
	}
	w.mu.Lock()
	w.pending |= p
	w.mu.Unlock()
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// check reads the pending parts, and from time to time what no notification tells of: the device, and most sysctls,
// which inotify(7) does not watch either. Seven of those take some 50 µs to read. By its sysctls a bridge is noticed
// that the CNI plugin has made: until then the bridge's index is not known.
func (w *Watcher) check(ctx context.Context) {
	timer := time.NewTimer(pollEvery)
	defer timer.Stop()
	ticker := time.NewTicker(pollEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-w.wake:
			if w.partsDiffer(w.take()) {
				w.Poke()
			}
		case <-ticker.C:
			w.mark(Sysctls)
		case <-timer.C:
			timer.Reset(pollInterval(w.pollDevice()))
		}
	}
}

// pollDevice reads the device and returns the number of its peers.
func (w *Watcher) pollDevice() int {
	seen, differs := w.deviceDiffers()
	if differs {
		w.Poke()
	}
	if seen.Answers {
		mesh.SortStatuses(seen.Statuses)
		w.Seen(seen.Statuses)
	}
	return len(seen.Statuses)
}

func (w *Watcher) partsDiffer(p Parts) bool {
	w.Lock.Lock()
	defer w.Lock.Unlock()
	return w.Expected.differs(p, w.Reader)
}

func (w *Watcher) deviceDiffers() (seen Device, differs bool) {
	w.Lock.Lock()
	defer w.Lock.Unlock()
	return w.Expected.deviceDiffers(w.Reader)
}

func (w *Watcher) take() Parts {
	w.mu.Lock()
	defer w.mu.Unlock()
	p := w.pending
	w.pending = 0
	return p
}
