package agent

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"warren.mesh/mesh"
)

// programmer brings the host to a desired state. It observes only when something contradicts what it remembers, so that
// one node's change costs the same in a mesh of 10 and of 5,000.
type programmer struct {
	host Host
	// dirty asks for an observation: set at the start, after failures, by the watch and by the resync.
	dirty atomic.Bool
	// want was last reached in full: it tells which endpoints were set, and what to repair while holding. wanted tells it
	// from no state at all.
	want   mesh.State
	wanted bool
	// have is the host as last observed or, since then, changed.
	have mesh.State
	// held says that hold has worked, and have cannot be relied upon.
	held bool
}

// rounds is how often one pass observes and applies. A link that was down has lost routes that nobody was told of, so what
// brings it up is checked; if something then takes it down again, that is for a later pass.
const rounds = 2

// reach makes the host look like want, and says what it set out to change, also when that failed in part.
func (p *programmer) reach(ctx context.Context, want mesh.State) ([]mesh.Change, error) {
	if p.held {
		p.held = false
		p.dirty.Store(true)
	}
	return p.converge(ctx, func() mesh.Change { return mesh.Diff(want, p.have) }, func() { p.have, p.want, p.wanted = want, want, true })
}

// hold repairs what others have destroyed and removes nothing, whatever it finds. It goes by the state last reached or,
// when the daemon has just started, by what is fail-closed whatever the cluster looks like.
func (p *programmer) hold(ctx context.Context, cfg mesh.Config) ([]mesh.Change, error) {
	if !p.dirty.Load() {
		return nil, nil
	}
	p.held = true
	want := p.want
	if !p.wanted {
		want = mesh.Bootstrap(cfg)
	}
	return p.converge(ctx, func() mesh.Change { return mesh.Diff(want, p.have).WithoutRemovals() }, func() {})
}

// converge applies what diff finds until the host is as it should be, and calls reached each time that succeeded.
func (p *programmer) converge(ctx context.Context, diff func() mesh.Change, reached func()) (changes []mesh.Change, err error) {
	for range rounds {
		if err := p.observe(ctx); err != nil {
			return changes, err
		}
		change := diff()
		if !change.Empty() {
			changes = append(changes, change)
			err = p.host.Apply(ctx, change)
		}
		if err != nil {
			p.dirty.Store(true) // What it left behind is observed by the next pass.
			return changes, err
		}
		reached()
		if change.Link == nil {
			break
		}
		p.dirty.Store(true)
	}
	return changes, nil
}

// observe reads the host where it is dirty. It may be dirtied again meanwhile, so the flag is taken down first.
func (p *programmer) observe(ctx context.Context) error {
	if !p.dirty.Swap(false) {
		return nil
	}
	observed, err := p.host.Observe(ctx)
	if err != nil {
		p.dirty.Store(true)
		return fmt.Errorf("observe the host: %w", err)
	}
	p.have = observed.KeepEndpoints(p.want, time.Now())
	return nil
}
