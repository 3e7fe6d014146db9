package loop

import (
	"math/rand/v2"
	"time"
)

// Backoff holds the delay between attempts at what keeps failing. First and Most must be positive.
type Backoff struct {
	// First is the delay after the first failure. Each further failure doubles it, up to Most.
	First, Most time.Duration
	// Jitter draws each delay at random from the upper half of what it would be, so that nodes that failed together do
	// not retry together.
	Jitter bool

	failures int
}

// Delay returns how long to wait before the next attempt.
func (b *Backoff) Delay() time.Duration {
	delay := b.First
	for range b.failures {
		if delay >= b.Most {
			break
		}
		delay *= 2
	}
	delay = min(delay, b.Most)
	if half := delay / 2; b.Jitter && half > 0 {
		return half + rand.N(half)
	}
	return delay
}

// Grow counts a failed retry: the next Delay is twice as long.
func (b *Backoff) Grow() { b.failures++ }

// Next returns Delay and then grows.
func (b *Backoff) Next() time.Duration {
	delay := b.Delay()
	b.Grow()
	return delay
}

// Reset forgets the failures: the next Delay is First again.
func (b *Backoff) Reset() { b.failures = 0 }
