package agent

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"warren.mesh/mesh"
	"warren.mesh/mesh/events"
	"warren.mesh/mesh/loop"
)

const (
	// lookEvery is how often the daemon looks for something to tell. It is late by that much, and nothing queues up:
	// what is over when the API server is reached again is never told.
	lookEvery = 5 * time.Second
	// dropsEvery is how often it reads the guard's counters for that. What they count is no news by the second.
	dropsEvery = time.Minute
)

// Teller tells Events about the own Node.
type Teller interface {
	// Tell creates the Event, unless there is one like it; uid is the Node's. The error wraps events.ErrRefused if the
	// API server will not have it later either.
	Tell(ctx context.Context, uid string, e events.Event) error
}

// teller tells Events in a goroutine of its own, which nobody waits for.
type teller struct {
	agent *Agent
	log   events.Log
	drops map[string]uint64
	// dropsRead is when drops were read.
	dropsRead time.Time
	// failing says that the last Event could not be told.
	failing bool
	counts  eventCounts
	// happened is what the passes have seen; mu protects it.
	mu       sync.Mutex
	happened events.Seen
}

// note adds to what has happened. Any goroutine may call it.
func (t *teller) note(edit func(*events.Seen)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	edit(&t.happened)
}

// run looks until ctx ends. After a failure it looks less often.
func (t *teller) run(ctx context.Context) {
	retry := loop.Backoff{First: lookEvery, Most: events.Quiet / 2, Jitter: true}
	pause := lookEvery
	for loop.Sleep(ctx, pause) {
		if !t.look(ctx) {
			pause = retry.Next()
			continue
		}
		pause = lookEvery
		retry.Reset()
	}
}

// look tells what is due, and reports whether that went well.
func (t *teller) look(ctx context.Context) bool {
	self, ok := t.agent.cfg.Cluster.Self()
	if !ok {
		return true
	}
	seen := t.seen(time.Now())
	var due []events.Event
	t.log, due = t.log.Look(seen, time.Now())
	if len(due) == 0 {
		return true
	}
	if most := spread(seen.Status.Peers.Desired); most > 0 && !loop.Sleep(ctx, rand.N(most)) {
		return true
	}
	for _, e := range due {
		if !t.tell(ctx, self, e, seen) {
			return false
		}
	}
	return true
}

// seen returns what is known now.
func (t *teller) seen(now time.Time) events.Seen {
	if now.Sub(t.dropsRead) >= dropsEvery {
		t.drops, t.dropsRead = t.agent.counters.leaks.recent(), now
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	seen := t.happened
	seen.Status, seen.Drops = t.agent.status.Snapshot(), t.drops
	return seen
}

// tell tells one Event, and reports whether it need not be told again.
func (t *teller) tell(ctx context.Context, self mesh.Self, e events.Event, seen events.Seen) bool {
	within, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	err := t.agent.cfg.Events.Tell(within, self.UID, e)
	if err != nil && ctx.Err() != nil {
		return false
	}
	t.counts.add(err)
	if failing := err != nil; failing != t.failing {
		t.failing = failing
		if failing {
			t.agent.log.Warn("events are not told", "node", self.Name, "event", string(e.Reason), "err", err)
		} else {
			t.agent.log.Info("events are told again", "node", self.Name, "event", string(e.Reason))
		}
	}
	if err != nil && !errors.Is(err, events.ErrRefused) {
		return false
	}
	t.log = t.log.Told(e, seen, time.Now())
	return true
}

// keyAnnounced takes that key was announced in the place of another.
func (t *teller) keyAnnounced(was, key string) {
	if was == "" || was == key {
		return
	}
	t.note(func(s *events.Seen) {
		// The cluster may show the announcement late, and have it made again.
		if s.Key != key {
			s.Keys, s.Key = s.Keys+1, key
		}
	})
}

// devices tells a device that has lost its key from the first of a node. The worker alone touches it.
type devices struct {
	// had says that the host has been as it should be, and lost that the device has been without its key since then.
	had, lost bool
}

// changed takes what was changed on the host, and reports whether a device that had lost its key has it again.
func (d *devices) changed(changes []mesh.Change, err error) bool {
	for _, c := range changes {
		d.lost = d.lost || d.had && c.Device != nil && c.OldDevice.PublicKey.IsZero()
	}
	back := d.lost && err == nil
	if back {
		d.lost = false
	}
	return back
}
