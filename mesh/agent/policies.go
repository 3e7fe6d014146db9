package agent

import (
	"context"

	"warren.mesh/mesh"
	"warren.mesh/mesh/status"
)

// checkPolicies asks once after the start, when the own announcement stands, whether admission policies are missing.
// The mesh works without them, so nothing waits or fails for it; but then one stolen token speaks for every node.
func (a *Agent) checkPolicies(ctx context.Context, self mesh.Self, nodes int) {
	known := a.status.Snapshot().Policies != ""
	published := a.announced.due.IsZero()
	if known || !published || a.asking() || !a.policyCheck.ready(self.UID, spread(nodes)) {
		return
	}
	inForce := false
	look := func(ctx context.Context) (err error) {
		inForce, err = a.cfg.Cluster.PolicyInForce(ctx, self.UID)
		return err
	}
	a.ask(ctx, look, func(err error) {
		if err != nil {
			a.policyCheck.wrote(err)
			return
		}
		a.policyCheck.clear()
		a.status.Update(func(s status.Snapshot) status.Snapshot {
			s.Policies = status.PoliciesMissing
			if inForce {
				s.Policies = status.PoliciesInForce
			}
			return s
		})
	})
}
