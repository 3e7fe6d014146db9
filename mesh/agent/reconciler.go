package agent

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"warren.mesh/mesh"
)

// reconciler brings the host to a desired state. It observes only when something contradicts what it remembers, so that
// one node's change costs the same in a mesh of 10 and of 5,000.
type reconciler struct {
	host Host
	// mu is held while the host is changed: by converge, by hold, and around turn. It protects want and answers. The
	// worker alone touches the other fields, and reads want without it.
	mu sync.Mutex
	// dirty asks for an observation. It is set at the start, after failures, by the watch and by the resync.
	dirty atomic.Bool
	// want was last reached in full. It tells which endpoints were set, and what to repair while holding. wanted tells
	// it from no state at all.
	want   mesh.State
	wanted bool
	// have is the host as last observed or, since then, changed. guarded is from the last observation.
	have    mesh.State
	guarded bool
	// held says that hold has worked, and that have cannot be relied upon.
	held bool
	// brake holds back the loss of many peers at once. adopted says that it knows what the daemon found.
	brake   mesh.Brake
	adopted bool
	// through takes what the brake lets through, before the host is brought to it.
	through func(mesh.State)
	// answers says which peers answer.
	answers mesh.Answers
}

// newReconciler returns a reconciler that has seen nothing yet.
func newReconciler(host Host, massRemovalDelay time.Duration) *reconciler {
	r := &reconciler{
		host: host, brake: mesh.Brake{Delay: massRemovalDelay}, through: func(mesh.State) {},
	}
	r.invalidate()
	return r
}

// invalidate has the host observed before anything else is applied. Any goroutine may call it.
func (r *reconciler) invalidate() { r.dirty.Store(true) }

// incomplete reports whether the host has to be observed again. After a call that returned no error but waits, the host
// lacks something, a device process perhaps, and nobody says when it comes.
func (r *reconciler) incomplete() bool { return r.dirty.Load() }

// rounds is how often one pass observes and applies. A link that was down has lost routes of which no notification
// tells, so the host is observed again after a change that brings a link up. If something then takes it down again,
// that is for a later pass.
const rounds = 2

// converge makes the host look like what the brake lets through of s. It returns what it set out to change, also when
// that failed in part.
func (r *reconciler) converge(ctx context.Context, s mesh.Step) ([]mesh.Change, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.held {
		r.held = false
		r.invalidate()
	}
	if err := r.observe(ctx, s.Want); err != nil {
		return nil, err
	}
	if !r.adopted {
		r.brake, r.adopted = r.brake.Adopt(r.have), true
	}
	var want mesh.State
	r.brake, want = r.brake.Next(s)
	r.through(want)
	return r.apply(ctx, want, mesh.Diff, func() { r.have, r.want, r.wanted = want, want, true })
}

// hold repairs what others have destroyed and removes nothing, whatever it finds. It goes by the state last reached or,
// when the daemon has just started, by what is fail-closed whatever the cluster looks like.
func (r *reconciler) hold(ctx context.Context, cfg mesh.Config) ([]mesh.Change, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.brake = r.brake.Hold(time.Now())
	if !r.dirty.Load() {
		return nil, nil
	}
	r.held = true
	diff := func(want, have mesh.State) mesh.Change {
		if !r.wanted {
			want = mesh.Bootstrap(cfg, mesh.Observation{State: have, Guarded: r.guarded})
		}
		return mesh.Diff(want, have).WithoutRemovals()
	}
	return r.apply(ctx, r.want, diff, func() {})
}

// apply applies what diff returns until the host is as it should be, and calls reached each time that it succeeds.
func (r *reconciler) apply(
	ctx context.Context, want mesh.State, diff func(want, have mesh.State) mesh.Change, reached func(),
) (changes []mesh.Change, err error) {
	for range rounds {
		if err := r.observe(ctx, want); err != nil {
			return changes, err
		}
		change := diff(want, r.have)
		if !change.Empty() {
			changes = append(changes, change)
			err = r.host.Apply(ctx, change)
		}
		if err != nil {
			r.invalidate() // The next pass observes what the failure left behind.
			return changes, err
		}
		reached()
		if change.Link == nil {
			break
		}
		r.invalidate()
	}
	return changes, nil
}

// observe reads the host if it is dirty. The watch may set the flag again meanwhile, so observe clears it first.
func (r *reconciler) observe(ctx context.Context, want mesh.State) error {
	if !r.dirty.Swap(false) {
		return nil
	}
	observed, err := r.host.Observe(ctx)
	if err != nil {
		r.invalidate()
		return err
	}
	r.guarded = observed.Guarded
	r.have = observed.KeepEndpoints(r.want, want, time.Now())
	return nil
}
