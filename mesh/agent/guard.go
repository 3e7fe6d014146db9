package agent

import (
	"context"

	"warren.mesh/mesh"
)

// checkGuard says once after the start, when the own announcement stands, whether admission policies are missing. The mesh works without
// them, so nothing waits or fails for it: but then one stolen token speaks for every node.
func (a *Agent) checkGuard(ctx context.Context, self mesh.Self, nodes int) {
	published := a.announced.due.IsZero()
	if a.guardKnown || !published || !a.guard.ready(self.UID, spread(nodes)) {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	guarded, err := a.cfg.Cluster.PolicyInForce(ctx, self.UID)
	if err != nil {
		a.guard.wrote(err)
		return
	}
	a.guard.clear()
	a.guardKnown = true
	if guarded {
		a.metrics.unguarded.Set(0)
		return
	}
	a.metrics.unguarded.Set(1)
	a.log.Warn("warren's admission policies are missing: the token of any node's daemon may write the annotations of all nodes; apply the manifests",
		"node", self.Name)
}
