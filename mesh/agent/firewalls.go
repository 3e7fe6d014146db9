package agent

import (
	"context"
	"strings"
	"time"

	"warren.mesh/mesh/status"
)

// passFirewalls has the mesh pass the host's other firewalls, if they may have changed. It comes after the guard, which
// judges what they let in, and needs nothing of the cluster.
func (a *Agent) passFirewalls(ctx context.Context) {
	changed := a.firewallsChanged.Swap(false)
	if due := a.hostPorts.due; changed || !due.IsZero() && !time.Now().Before(due) {
		a.checkHostPorts(ctx)
	}
	if !changed {
		return
	}
	opened, doubts, err := a.cfg.Host.PassFirewalls(ctx)
	for _, rule := range opened {
		a.log.Info("rule added to the host's firewall", "rule", rule)
	}
	if err != nil {
		a.firewallsChanged.Store(true)
	}
	a.status.Update(func(s status.Snapshot) status.Snapshot {
		now := time.Now()
		return s.Report(stepFirewall, err, now).Warn(stepOthers, strings.Join(doubts, "; "), now)
	})
}
