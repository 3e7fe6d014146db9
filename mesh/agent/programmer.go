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

// reach makes the host look like want, and says what it set out to change, also when that failed in part.
func (p *programmer) reach(ctx context.Context, want mesh.State) (mesh.Change, error) {
	if p.held {
		p.held = false
		p.dirty.Store(true)
	}
	if err := p.observe(ctx); err != nil {
		return mesh.Change{}, err
	}
	change := mesh.Diff(want, p.have)
	err := p.apply(ctx, change)
	if err == nil {
		p.have, p.want, p.wanted = want, want, true
	}
	return change, err
}

// hold repairs what others have destroyed and removes nothing, whatever it finds. It goes by the state last reached or,
// when the daemon has just started, by what is fail-closed whatever the cluster looks like.
func (p *programmer) hold(ctx context.Context, cfg mesh.Config) (mesh.Change, error) {
	if !p.dirty.Load() {
		return mesh.Change{}, nil
	}
	p.held = true
	if err := p.observe(ctx); err != nil {
		return mesh.Change{}, err
	}
	want := p.want
	if !p.wanted {
		want = mesh.Bootstrap(cfg)
	}
	change := mesh.Diff(want, p.have).WithoutRemovals()
	return change, p.apply(ctx, change)
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

// apply makes the change, unless it is empty. What a failure leaves behind is observed by the next pass.
func (p *programmer) apply(ctx context.Context, change mesh.Change) error {
	if change.Empty() {
		return nil
	}
	err := p.host.Apply(ctx, change)
	if err != nil {
		p.dirty.Store(true)
	}
	return err
}
