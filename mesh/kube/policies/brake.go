package policies

import (
	"maps"
	"time"
)

// brakeDelay is how long what a list lacks is kept if that is more than half of what was known: as long as the mesh
// holds the loss of more than half of its peers.
const brakeDelay = 5 * time.Minute

// brake keeps what a list lacks if that is more than half of what was known. Such a list is more likely from a store
// that was emptied or put back than from somebody at work, and what it lacks may be what isolates pods. What is deleted
// under a watch is deleted at once.
//
// Each loss has its own clock, so that no later loss is given up with an earlier one. While any loss is held, each
// further one is. The zero value holds nothing.
type brake struct {
	// lost are the keys that are held, and since when each was missing, later by the time that did not count.
	lost map[string]time.Time
	// now is the time of the last step, and stale says that the API server has not been followed since.
	now   time.Time
	stale bool
}

// step goes to now. The time since the last step does not count if that one was stale: a store that is being repaired
// takes the API server away for longer than brakeDelay.
func (b *brake) step(now time.Time, stale bool) {
	if b.stale {
		for key, since := range b.lost {
			b.lost[key] = since.Add(now.Sub(b.now))
		}
	}
	b.now, b.stale = now, stale
}

// holds takes the keys that a list lacks, of so many that were known. It returns those to give up, in any order, and
// for how much longer the first of the others is held; zero if none is. What has returned is forgotten.
func (b *brake) holds(known int, missing []string) (giveUp []string, wait time.Duration) {
	engaged := len(missing)*2 > known
	held := map[string]time.Time{}
	for _, key := range missing {
		since, before := b.lost[key]
		engaged = engaged || before
		if !before {
			since = b.now
		}
		held[key] = since
	}
	if !engaged {
		b.lost = nil
		return missing, 0
	}
	maps.DeleteFunc(held, func(key string, since time.Time) bool {
		over := b.now.Sub(since) >= brakeDelay
		if over {
			giveUp = append(giveUp, key)
		}
		return over
	})
	b.lost = held
	for _, since := range held {
		if left := brakeDelay - b.now.Sub(since); wait == 0 || left < wait {
			wait = left
		}
	}
	return giveUp, wait
}

// forget takes that a key is there again, or was deleted under a watch.
func (b *brake) forget(key string) { delete(b.lost, key) }
