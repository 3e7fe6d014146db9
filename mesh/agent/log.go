package agent

import (
	"fmt"
	"log/slog"
	"slices"

	"warren.mesh/mesh"
	"warren.mesh/mesh/status"
)

// logStatus logs what differs between two snapshots: each condition and problem once when it comes and once when it goes.
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
	if text := after.Watch.Interruption; text != before.Watch.Interruption {
		log.Warn("watching the host was interrupted", "err", text)
	}
	if pods := after.Pods; len(pods.Strays) > 0 && !slices.Equal(pods.Strays, before.Pods.Strays) {
		log.Warn("pods have addresses outside this node's pod CIDRs: delete them, so that they are made anew",
			"pods", fmt.Sprint(pods.Strays), "cidrs", fmt.Sprint(pods.CIDRs))
	}
	if after.Policies == status.PoliciesMissing && before.Policies != status.PoliciesMissing {
		log.Warn("warren's admission policies are missing: the token of any node's daemon may write the annotations of all nodes; apply the manifests",
			"node", after.Node)
	}
}

func logBegan(log *slog.Logger, c status.Condition) {
	if c.State == status.Waiting {
		log.Info("waiting", "step", c.Step, "reason", c.Reason)
		return
	}
	log.Error("failed, and will be retried", "step", c.Step, "err", c.Reason)
}

func logEnded(log *slog.Logger, c status.Condition) {
	message := "recovered"
	if c.State == status.Waiting {
		message = "no longer waiting"
	}
	log.Info(message, "step", c.Step, "after", c.Reason)
}

// maxLines is how many things a single change may log one by one. A node that joins a large mesh logs their number.
const maxLines = 50

// changeLog logs what is changed on the host.
type changeLog struct {
	log *slog.Logger
	// attempted are the lines of changes that have not succeeded yet: each retry would repeat them.
	attempted map[string]bool
}

// add logs a change to the host, or the attempt at one if err is not nil.
func (l *changeLog) add(c mesh.Change, err error) {
	var fresh []mesh.Line
	attempted := map[string]bool{}
	for _, line := range c.Lines() {
		text := fmt.Sprint(line.Message, line.Args)
		attempted[text] = true
		if !l.attempted[text] {
			fresh = append(fresh, line)
		}
	}
	if l.attempted = attempted; err == nil {
		l.attempted = nil
	}
	if len(fresh) > maxLines {
		l.log.Info("host changed", "changes", len(fresh))
		return
	}
	for _, line := range fresh {
		l.log.Info(line.Message, line.Args...)
	}
}
