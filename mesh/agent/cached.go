package agent

import (
	"context"
	"time"
)

const (
	// scrapeTimeout bounds a reading.
	scrapeTimeout = 5 * time.Second
	// readingAge is how old a reading may be: whoever reaches the port may read the metrics at any rate.
	readingAge = 5 * time.Second
)

// cached is something that is read when the metrics are read, and not for each of those who do: reading counters asks
// the kernel for all of a table's. Make one with newCached.
type cached[T any] struct {
	read func(ctx context.Context) (T, error)
	// turn holds a token: whoever takes it makes a reading or finds that somebody just has.
	turn chan struct{}
	// last was read at that time. It is zero if it could not be read.
	last T
	at   time.Time
}

func newCached[T any](read func(ctx context.Context) (T, error)) *cached[T] {
	c := &cached[T]{read: read, turn: make(chan struct{}, 1)}
	c.turn <- struct{}{}
	return c
}

// recent returns the last reading, zero if it failed. Of all who ask at once, one makes it and the others wait for it.
// A failure is remembered as long as an answer.
func (c *cached[T]) recent() (last T) {
	<-c.turn
	defer func() { c.turn <- struct{}{} }()
	if !c.at.IsZero() && time.Since(c.at) < readingAge {
		return c.last
	}
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTimeout)
	defer cancel()
	if now, err := c.read(ctx); err == nil {
		last = now
	}
	c.last, c.at = last, time.Now()
	return last
}
