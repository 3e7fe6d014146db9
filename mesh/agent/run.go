package agent

import (
	"context"
	"sync"
	"time"

	"warren.mesh/mesh"
	"warren.mesh/mesh/loop"
	"warren.mesh/mesh/status"
)

// Backoff after failed writes to the API server.
const (
	retryFirst = 250 * time.Millisecond
	retryMost  = 30 * time.Second
)

func newBackoff() loop.Backoff {
	return loop.Backoff{First: retryFirst, Most: retryMost, Jitter: true}
}

// Run reconciles until ctx ends, and leaves everything on the host as it is: what carries traffic outlives the daemon.
// It returns when all that it started has ended.
func (a *Agent) Run(ctx context.Context) {
	a.log.Info("WireGuard backend chosen", "backend", a.cfg.Backend, "reason", a.cfg.BackendReason)
	var watching sync.WaitGroup
	watching.Go(func() { a.watch(ctx) })
	watching.Go(func() { a.keepWatching(ctx, a.cfg.Attachments.Watch, a.Poke) })
	if a.cfg.Plugins != nil {
		watching.Go(func() { a.keepWatching(ctx, a.cfg.Plugins.Watch, a.pluginsMayDiffer) })
	}
	if a.cfg.Events != nil {
		watching.Go(func() { a.teller.run(ctx) })
	}
	a.worker.Run(ctx)
	watching.Wait()
	a.background.Wait()
}

// Poke asks for a pass because the cluster has changed. It never blocks, and many pokes make one pass.
func (a *Agent) Poke() { a.worker.Poke() }

// contradicted asks for a pass that observes the host because somebody else has changed it.
func (a *Agent) contradicted() {
	a.host.invalidate()
	a.firewallsChanged.Store(true)
	a.Poke()
}

// pluginsMayDiffer asks for a pass that compares the plugins.
func (a *Agent) pluginsMayDiffer() {
	a.pluginsChanged.Store(true)
	a.Poke()
}

// work makes one pass and says when the next has something to do.
func (a *Agent) work(ctx context.Context, resync bool) loop.Next {
	if resync {
		a.host.invalidate()
		a.pluginsChanged.Store(true)
		a.firewallsChanged.Store(true)
	}
	a.status.Update(func(s status.Snapshot) status.Snapshot { return s.Begin(time.Now()) })
	a.pass(ctx)
	if a.cfg.Programmed != nil {
		a.cfg.Programmed(a.host.have)
	}
	ended := a.status.Update(func(s status.Snapshot) status.Snapshot { return s.End(time.Now()) })
	_, carryOut := a.host.brake.Held()
	return loop.Next{
		Failed: ended.Pass.Outcome == status.Failed,
		// A device process that starts pokes nobody.
		Poll: a.host.incomplete(),
		Due: []time.Time{a.announced.due, a.available.due, a.policyCheck.due, carryOut, a.underlay.retry,
			a.hostPorts.due},
	}
}

// watch keeps Host.Watch running. While it does not run, only the resync finds drift.
func (a *Agent) watch(ctx context.Context) {
	watch := func(ctx context.Context, poke func()) error {
		return a.cfg.Host.Watch(ctx, poke, func(s []mesh.PeerStatus) { a.seen(ctx, s) })
	}
	a.keepWatching(ctx, watch, a.contradicted)
}

// keepWatching calls watch again whenever it ends, and then poke, because nothing tells what happened unwatched.
func (a *Agent) keepWatching(ctx context.Context, watch func(context.Context, func()) error, poke func()) {
	interrupted := false
	loop.Keep(ctx, func(ctx context.Context, _ func()) error {
		if interrupted {
			poke()
		}
		interrupted = true
		return watch(ctx, poke)
	}, func(err error) {
		a.status.Update(func(s status.Snapshot) status.Snapshot { return s.WithInterruption(err) })
	})
}
