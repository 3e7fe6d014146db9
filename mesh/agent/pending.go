package agent

import (
	"math/rand/v2"
	"time"
)

// echo is how long the cluster may take to show what was written, or why it was refused. Only then is the same write
// made again: a retry against what the daemon has not read yet would be blind.
const echo = 10 * time.Second

// pending is one kind of write to the API server: spread over time, so that a whole cluster does not write at once, and
// not repeated before its echo.
type pending[T comparable] struct {
	value T
	// due is when value may be written (again); zero while there is nothing to write.
	due time.Time
}

// ready reports whether value should be written now. A new value is first put off by up to spread.
func (p *pending[T]) ready(value T, spread time.Duration) bool {
	if p.due.IsZero() || p.value != value {
		p.value, p.due = value, time.Now()
		if spread > 0 {
			p.due = p.due.Add(rand.N(spread))
		}
	}
	return !time.Now().Before(p.due)
}

// wait puts value off until its echo must have come.
func (p *pending[T]) wait() { p.due = time.Now().Add(echo) }

// clear says that there is nothing to write.
func (p *pending[T]) clear() { *p = pending[T]{} }
