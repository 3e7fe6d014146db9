package enforce

import (
	"context"
	"errors"
	"fmt"
	"time"

	"warren.mesh/cni/gate"
	"warren.mesh/mesh/policy"
	"warren.mesh/mesh/status"
)

// await waits until the records of former runs are known: before that nobody can say what is attached.
func (e *Enforcer) await(ctx context.Context) error {
	select {
	case <-e.loaded:
		return nil
	case <-ctx.Done():
		return errors.New("the daemon has not read its records of attached pods yet")
	}
}

// urge asks for a pass at once, because the attachments have changed. Call it with mu held.
func (e *Enforcer) urge() {
	e.changes++
	e.batch.add(time.Now(), true)
	e.worker.Poke()
}

// until waits until lacks returns an empty text. If ctx ends before, the error says what lacks returned last. It calls
// lacks with mu held.
func (e *Enforcer) until(ctx context.Context, lacks func() string) error {
	for {
		e.mu.Lock()
		what, moved := lacks(), e.moved
		e.mu.Unlock()
		if what == "" {
			return nil
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return errors.New(what)
		}
	}
}

// lacks says why an attachment is not in force; empty if it is. Call it with mu held.
func (e *Enforcer) lacks(key gate.Key) string {
	h, ok := e.held[key]
	if !ok {
		return "it is not known"
	}
	lacks, seen := e.force.attachments[key]
	switch {
	case e.force.missing != "":
		return e.force.missing
	case !seen || e.force.changes < h.order:
		return "its policies are not in force yet"
	default:
		return lacks
	}
}

// withProblems tells of what cannot be kept. A pod that only waits for its labels is none: it is among the waiting.
func withProblems(s status.Enforcement, problems []policy.Problem) status.Enforcement {
	var list []status.PolicyProblem
	for _, p := range problems {
		if !p.Waiting {
			list = append(list, status.PolicyProblem{
				Kind: p.Kind, Namespace: p.Namespace, Name: p.Name, Field: p.Field, Reason: p.Reason,
			})
		}
	}
	s = s.WithProblems(list)
	warning := ""
	switch len(list) {
	case 0:
	case 1:
		warning = list[0].String()
	default:
		warning = fmt.Sprintf("%s; and %d more, see the log", list[0], len(list)-1)
	}
	return s.Warn(stepProblems, warning, time.Now())
}
