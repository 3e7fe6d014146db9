package agent

import (
	"errors"
	"math/rand/v2"
	"time"

	"warren.mesh/mesh"
)

// echo is how long the cluster may take to show what was written, or why it was refused. Only then is the same write
// made again: a retry against what the daemon has not read yet would be blind.
const echo = 10 * time.Second

// pending is one kind of write to the API server: spread over time, so that a whole cluster does not write at once, not
// repeated before its echo, and retried with a backoff of its own, so that passes made for other reasons do not hammer a
// server that refuses it.
type pending[T comparable] struct {
	value T
	// due is when value may be written (again); zero while there is nothing to write.
	due   time.Time
	retry backoff
}

// ready reports whether value should be written now. A new value is first put off by up to spread.
func (p *pending[T]) ready(value T, spread time.Duration) bool {
	if p.due.IsZero() || p.value != value {
		*p = pending[T]{value: value, due: time.Now()}
		if spread > 0 {
			p.due = p.due.Add(rand.N(spread))
		}
	}
	return !time.Now().Before(p.due)
}

// wrote says how the write went, and with that when the next may be. What was written, or refused as stale, has an echo.
func (p *pending[T]) wrote(err error) {
	if err == nil || errors.Is(err, mesh.ErrStale) {
		p.due = time.Now().Add(echo)
		return
	}
	p.due = time.Now().Add(p.retry.delay())
	p.retry.grow()
}

// clear says that there is nothing to write.
func (p *pending[T]) clear() { *p = pending[T]{} }
