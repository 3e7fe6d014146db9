package agent

import (
	"context"
	"time"

	"warren.mesh/mesh"
	"warren.mesh/mesh/status"
)

// seen sets other endpoints for peers that do not answer, after each reading of the device, and warns of a clock that
// was set back. It skips a reading while a pass changes the host, which may take minutes: the next one tells as much.
func (a *Agent) seen(ctx context.Context, statuses []mesh.PeerStatus) {
	a.compareClock(mesh.Ahead(statuses, time.Now()))
	if !a.host.mu.TryLock() {
		return
	}
	turns, err := a.host.turn(ctx, statuses)
	unanswered := a.host.answers.Unanswered()
	a.readings.add(a.host.want.Peers, statuses, a.host.answers)
	a.host.mu.Unlock()
	if err != nil {
		a.contradicted() // A pass finds what is wrong with the device, and says it.
		return
	}
	if len(turns) > 0 || unanswered != a.status.Snapshot().Peers.Unanswered {
		a.status.Update(func(s status.Snapshot) status.Snapshot {
			s.Peers.Unanswered = unanswered
			s.Peers.Turns += uint64(len(turns))
			return s
		})
	}
	a.logTurns(turns)
}

func (a *Agent) logTurns(turns []mesh.PeerUpdate) {
	if len(turns) > maxLines {
		a.log.Info("peers do not answer, other endpoints set", "peers", len(turns))
		return
	}
	for _, u := range turns {
		a.log.Info("peer does not answer, another endpoint set", "node", u.Node, "peer", u.PublicKey.String(),
			"endpoint", u.Endpoint.String())
	}
}

// turn follows which peers answer, and sets other endpoints for those that do not. It returns what it set out to set.
// Call it with mu held.
func (r *reconciler) turn(ctx context.Context, statuses []mesh.PeerStatus) (turns []mesh.PeerUpdate, err error) {
	r.answers, turns = r.answers.Next(r.want.Peers, statuses, time.Now())
	if len(turns) > 0 {
		err = r.host.Apply(ctx, mesh.Change{Peers: mesh.PeerEdits{Update: turns}})
	}
	return turns, err
}
