package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"warren.mesh/mesh"
)

// maxLines is how many things a single change may log one by one; a node that joins a large mesh logs their number.
const maxLines = 50

// journal is the memory of what has been said, so that everything is logged once, when it starts and when it ends. The
// health endpoints read it while the worker writes.
type journal struct {
	log     *slog.Logger
	metrics *metrics

	mu sync.Mutex
	// started is when the pass under way began; zero between passes.
	started time.Time
	// undone are the reasons why the last pass that ended has not done everything.
	undone []string
	// blocked are the steps that wait or fail.
	blocked map[step]blockage
	// wrong are the Problems by what they are about.
	wrong map[mesh.Problem]bool
	// attempted are the lines of changes that have not worked yet: each retry would say them again.
	attempted map[string]bool
}

// blockage is why a step is not done.
type blockage struct {
	// waiting tells waiting for others from failing.
	waiting bool
	text    string
}

// end is the message when it is over.
func (b blockage) end() string {
	if b.waiting {
		return "no longer waiting"
	}
	return "recovered"
}

func newJournal(log *slog.Logger, m *metrics) *journal {
	return &journal{
		log: log, metrics: m, blocked: map[step]blockage{}, wrong: map[mesh.Problem]bool{},
		undone: []string{"waiting for the first pass"},
	}
}

// begin starts a pass.
func (j *journal) begin(now time.Time) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.started = now
}

// end ends the pass and says how it went.
func (j *journal) end(now time.Time) outcome {
	j.mu.Lock()
	defer j.mu.Unlock()
	result := j.outcome()
	j.metrics.pass(result, now, now.Sub(j.started))
	j.started = time.Time{}
	j.undone = j.reasons()
	return result
}

// outcome is how a pass went.
type outcome string

const (
	succeeded outcome = "success"
	waited    outcome = "waiting"
	failed    outcome = "error"
)

// outcome is the worst of all steps.
func (j *journal) outcome() outcome {
	result := succeeded
	for _, b := range j.blocked {
		if !b.waiting {
			return failed
		}
		result = waited
	}
	return result
}

// report notes how a step went. An error that wraps mesh.ErrWaiting is a state to wait in, any other a failure; each is
// logged when it is news, and its end too.
func (j *journal) report(s step, err error) {
	if errors.Is(err, context.Canceled) {
		return
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	old, was := j.blocked[s]
	now := blockage{waiting: errors.Is(err, mesh.ErrWaiting), text: errorText(err)}
	switch {
	case err == nil && was:
		delete(j.blocked, s)
		j.log.Info(old.end(), "step", s, "after", old.text)
	case err == nil || now == old:
		return
	case now.waiting:
		j.blocked[s] = now
		j.log.Info("waiting", "step", s, "reason", now.text)
	default:
		j.blocked[s] = now
		j.log.Error("failed, and will be retried", "step", s, "err", now.text)
	}
	j.metrics.blocked(j.blocked)
}

// problems notes what is wrong with nodes.
func (j *journal) problems(list []mesh.Problem) {
	j.mu.Lock()
	defer j.mu.Unlock()
	now := make(map[mesh.Problem]bool, len(list))
	for _, p := range list {
		now[p] = true
		if !j.wrong[p] {
			j.log.Warn("node has a problem", "node", p.Node, "field", p.Field, "reason", p.Reason)
		}
	}
	for _, p := range slices.SortedFunc(maps.Keys(j.wrong), func(p, q mesh.Problem) int { return strings.Compare(p.String(), q.String()) }) {
		if !now[p] {
			j.log.Info("node's problem is gone", "node", p.Node, "field", p.Field, "reason", p.Reason)
		}
	}
	j.wrong = now
	j.metrics.problems(list)
}

// change notes what was changed on the host, or was tried, if err is not nil.
func (j *journal) change(c mesh.Change, err error) {
	var fresh []mesh.Line
	attempted := map[string]bool{}
	for _, line := range c.Lines() {
		text := fmt.Sprint(line.Message, line.Args)
		attempted[text] = true
		if !j.attempted[text] {
			fresh = append(fresh, line)
		}
	}
	if j.attempted = attempted; err == nil {
		j.attempted = nil
	}
	if len(fresh) > maxLines {
		j.log.Info("host changed", "changes", len(fresh))
		return
	}
	for _, line := range fresh {
		j.log.Info(line.Message, line.Args...)
	}
}

// errorText is the error on one line; empty for nil.
func errorText(err error) string {
	if err == nil {
		return ""
	}
	return strings.ReplaceAll(err.Error(), "\n", "; ")
}
