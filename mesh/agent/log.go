package agent

import (
	"fmt"
	"log/slog"
	"slices"

	"warren.mesh/mesh/status"
)

// logStatus logs what differs between two snapshots: each condition and problem once when it comes and once when it
// goes.
func logStatus(log *slog.Logger, before, after status.Snapshot) {
	d := status.Diff(before, after)
	for _, c := range d.Began {
		logBegan(log, c)
	}
	for _, c := range d.Ended {
		logEnded(log, c)
	}
	for _, p := range d.Arose {
		log.Warn("node has a problem", "node", p.Node, "field", p.Field, "reason", p.Reason)
	}
	for _, p := range d.Gone {
		log.Info("node's problem is gone", "node", p.Node, "field", p.Field, "reason", p.Reason)
	}
	for _, p := range d.PoliciesArose {
		log.Warn("policy problem", "kind", p.Kind, "object", p.Namespace+"/"+p.Name, "field", p.Field,
			"reason", p.Reason)
	}
	for _, p := range d.PoliciesGone {
		log.Info("policy problem is gone", "kind", p.Kind, "object", p.Namespace+"/"+p.Name, "field", p.Field,
			"reason", p.Reason)
	}
	if text := after.Watch.Interruption; text != before.Watch.Interruption {
		log.Warn("watching the host was interrupted", "err", text)
	}
	if pods := after.Pods; len(pods.Strays) > 0 && !slices.Equal(pods.Strays, before.Pods.Strays) {
		log.Warn("pods have addresses outside this node's pod CIDRs: delete them, so that they are made anew",
			"pods", fmt.Sprint(pods.Strays), "cidrs", fmt.Sprint(pods.CIDRs))
	}
	if after.Policies == status.PoliciesMissing && before.Policies != status.PoliciesMissing {
		log.Warn("warren's admission policies are missing, or one of them is: the token of any node's daemon may "+
			"write the annotations of all nodes, or false ones of its own; apply the manifests", "node", after.Node)
	}
}

func logBegan(log *slog.Logger, c status.Condition) {
	switch c.State {
	case status.Waiting:
		log.Info("waiting", "step", c.Step, "reason", c.Reason)
	case status.Warning:
		log.Warn("warning", "step", c.Step, "reason", c.Reason)
	default:
		log.Error("failed, and will be retried", "step", c.Step, "err", c.Reason)
	}
}

func logEnded(log *slog.Logger, c status.Condition) {
	switch c.State {
	case status.Waiting:
		log.Info("no longer waiting", "step", c.Step, "after", c.Reason)
	case status.Warning:
		log.Info("warning is over", "step", c.Step, "after", c.Reason)
	default:
		log.Info("recovered", "step", c.Step, "after", c.Reason)
	}
}
