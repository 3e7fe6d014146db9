package kube

import (
	"context"
	"sync"
	"time"

	"warren.mesh/mesh"
)

// tolerance is how long the two watches may contradict each other: at least once and less than twice as long. The same
// change comes through both within milliseconds, and from two API servers within a few seconds.
const tolerance = 10 * time.Second

// contradictory reports whether the two watches know different own Nodes although neither has trouble.
//
// Each watch resumes after an outage from the last revision that it has seen. If the API server has meanwhile gone back
// to an empty store or to a backup, that revision is in the future: the server accepts the watch and is silent until it
// gets there, for days perhaps. A watch that had to list again knows the new store at once.
func (c *Cluster) contradictory() bool {
	listed, inList := c.nodes.value(c.name)
	self, alone := c.own.value(c.name)
	if c.Waiting() != "" {
		return false
	}
	return inList != alone || alone && !self.In([]mesh.Node{listed})
}

// waitFor returns when is has been true for a while, or when ctx ends.
func waitFor(ctx context.Context, is func() bool) {
	ticker := time.NewTicker(tolerance)
	defer ticker.Stop()
	for before := false; ; {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		now := is()
		if before && now {
			return
		}
		before = now
	}
}

// round is the time until the watches begin anew. The zero value is the first one.
type round struct {
	mu     sync.Mutex
	ctx    context.Context
	cancel context.CancelFunc
}

// context returns a context that ends with the round.
func (r *round) context() context.Context {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ctx == nil {
		r.ctx, r.cancel = context.WithCancel(context.Background())
	}
	return r.ctx
}

// end ends the round and begins the next one.
func (r *round) end() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.cancel != nil {
		r.cancel()
	}
	r.ctx, r.cancel = nil, nil
}
