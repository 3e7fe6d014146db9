package agent

import (
	"errors"
	"math/rand/v2"
	"time"

	"warren.mesh/mesh"
	"warren.mesh/mesh/loop"
)

// echo is how long the cluster may take to show what was written, or why it was refused. Only then is the same write
// made again: a retry against what the daemon has not read yet would be blind.
const echo = 10 * time.Second

// pendingWrite is one kind of write to the API server, and the value to write. It spreads first writes over time, so
// that a whole cluster does not write at once; it repeats none before its echo; and it retries with a backoff of its
// own, so that passes made for other reasons do not hammer a server that refuses the write. Its zero value has nothing
// to write.
type pendingWrite[T comparable] struct {
	value T
	// due is when value may be written (again); zero while there is nothing to write.
	due   time.Time
	retry loop.Backoff
}

// ready reports whether value should be written now. It puts a new value off by up to spread first.
func (p *pendingWrite[T]) ready(value T, spread time.Duration) bool {
	if p.due.IsZero() || p.value != value {
		*p = pendingWrite[T]{value: value, due: time.Now(), retry: newBackoff()}
		if spread > 0 {
			p.due = p.due.Add(rand.N(spread))
		}
	}
	return !time.Now().Before(p.due)
}

// wrote takes how the write went and decides when the next may be made. A write that succeeded, or was refused as
// stale, has an echo.
func (p *pendingWrite[T]) wrote(err error) {
	if err == nil || errors.Is(err, mesh.ErrStale) {
		p.due = time.Now().Add(echo)
		return
	}
	p.due = time.Now().Add(p.retry.Next())
}

// clear says that there is nothing to write.
func (p *pendingWrite[T]) clear() { *p = pendingWrite[T]{} }
