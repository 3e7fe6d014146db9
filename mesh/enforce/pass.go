package enforce

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"warren.mesh/cni/gate"
	"warren.mesh/mesh"
	"warren.mesh/mesh/loop"
	"warren.mesh/mesh/status"
)

// The steps of a pass.
const (
	stepRecords  status.Step = "policy records"
	stepAdoption status.Step = "policy adoption"
	stepSupport  status.Step = "policy support"
	stepLists    status.Step = "policy lists"
	stepNodes    status.Step = "policy nodes"
	stepStart    status.Step = "policy start"
	stepTables   status.Step = "policy tables"
	stepWatch    status.Step = "policy watch"
	stepProblems status.Step = "policy problems"
	stepGate     status.Step = "policy gate"
)

// work makes one pass and says when the next has something to do.
func (e *Enforcer) work(ctx context.Context, resync bool) loop.Next {
	if resync {
		e.dirty.Store(true)
	}
	if due := e.takes(); !due.IsZero() {
		return loop.Next{Restless: true, Due: []time.Time{due}}
	}
	e.update(func(s status.Enforcement) status.Enforcement { s.Began = time.Now(); return s })
	err := e.pass(ctx)
	e.count()
	// An ADD does not wait for a rest: batches bound how often the cluster's events are written.
	return loop.Next{Restless: true, Failed: err != nil && ctx.Err() == nil, Due: []time.Time{e.start.next}}
}

// takes returns zero if the pass takes what has come, or else when one should.
func (e *Enforcer) takes() time.Time {
	e.mu.Lock()
	defer e.mu.Unlock()
	due := e.batch.due()
	if e.dirty.Load() || !due.After(time.Now()) {
		return time.Time{}
	}
	return due
}

// pass makes the tables what the cluster and the attachments ask for. Until all lists have been read, the tables stay
// as they are: those of the last run keep the policies that it knew.
func (e *Enforcer) pass(ctx context.Context) error {
	e.lookForIPVS()
	e.load()
	if err := e.support(ctx); err != nil {
		e.halt(err.Error())
		return err
	}
	waiting := e.cfg.Cluster.Waiting()
	e.report(stepLists, waitingFor(waiting))
	if !e.cfg.Cluster.Synced() {
		e.pause(cmp.Or(waiting, "not all lists of the API server have been read"))
		return nil
	}
	if missing := e.undecided(); missing != "" {
		e.pause(missing)
		return nil
	}
	if time.Now().Before(e.start.next) {
		e.pause("waiting for " + e.start.reason)
		return nil
	}
	p, err := e.plan()
	held, changed := "", false
	if err == nil {
		held, err = e.holdsStart(ctx, p, waiting != "")
	}
	e.report(stepStart, waitingFor(held))
	if held != "" {
		e.dirty.Store(true)
		e.pause("waiting for " + held)
		return nil
	}
	if err == nil {
		changed, err = e.write(ctx, p)
	}
	e.report(stepTables, err)
	if err != nil {
		e.dirty.Store(true) // The next pass compares what the failure left behind.
		e.halt(err.Error())
		return err
	}
	e.wrote(p, changed)
	return nil
}

// undecided says what the mesh has not decided since the start; empty for nothing. The mesh's own steps say why.
func (e *Enforcer) undecided() string {
	e.setNodes(e.newNodes())
	if len(e.nodes) > 0 {
		e.report(stepNodes, nil)
		return ""
	}
	e.report(stepNodes, waitingFor("the mesh to decide which nodes are in it"))
	return "the mesh has not decided yet which nodes are in it"
}

// support tries once whether this host can keep policies at all.
func (e *Enforcer) support(ctx context.Context) error {
	if e.supported {
		return nil
	}
	err := e.cfg.Host.PolicySupport(ctx)
	if err != nil {
		err = fmt.Errorf("this host cannot keep network policies: %w", err)
	}
	e.report(stepSupport, err)
	e.supported = err == nil
	return err
}

// load takes the records of former runs, once, and what was attached before there were any.
func (e *Enforcer) load() {
	select {
	case <-e.loaded:
		return
	default:
	}
	recorded, problems := e.cfg.Records.Load()
	adopted, more := e.adopt(recorded)
	e.warn(stepRecords, problems)
	e.warn(stepAdoption, more)
	e.mu.Lock()
	defer e.mu.Unlock()
	// What is recorded is newer than what is not: its ADD was answered by a daemon that kept policies.
	for _, a := range slices.Concat(adopted, recorded) {
		e.hold(a).recorded = true
	}
	close(e.loaded)
}

// adopt records what was attached before there were records.
func (e *Enforcer) adopt(recorded []gate.Attachment) (adopted []gate.Attachment, problems []error) {
	if e.cfg.Adopt == nil {
		return nil, nil
	}
	all, problems := e.cfg.Adopt()
	for _, a := range all {
		if slices.ContainsFunc(recorded, func(r gate.Attachment) bool { return r.Key() == a.Key() }) {
			continue
		}
		if err := e.cfg.Records.Put(a); err != nil {
			problems = append(problems, err)
		}
		adopted = append(adopted, a)
		e.log.Info("pod adopted", "pod", a.Namespace+"/"+a.Name, "iface", a.Port)
	}
	return adopted, problems
}

// hold adds an attachment, or replaces one of the same container and interface. Call it with mu held.
func (e *Enforcer) hold(a gate.Attachment) *attachment {
	e.changes++
	h := &attachment{Attachment: a, order: e.changes}
	e.held[a.Key()] = h
	return h
}

// update changes how the pass fares.
func (e *Enforcer) update(edit func(status.Enforcement) status.Enforcement) {
	e.cfg.Status.Update(func(s status.Snapshot) status.Snapshot { s.Enforcement = edit(s.Enforcement); return s })
}

func (e *Enforcer) report(step status.Step, err error) {
	e.update(func(s status.Enforcement) status.Enforcement { return s.Report(step, err, time.Now()) })
}

// warn notes problems that an operator should know of; none end the warning.
func (e *Enforcer) warn(step status.Step, problems []error) {
	reason := text(errors.Join(problems...))
	e.update(func(s status.Enforcement) status.Enforcement { return s.Warn(step, reason, time.Now()) })
}

// text returns an error's text; empty for nil.
func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// waitingFor returns an error that wraps mesh.ErrWaiting; nil for an empty text.
func waitingFor(what string) error {
	if what == "" {
		return nil
	}
	return fmt.Errorf("%w for %s", mesh.ErrWaiting, what)
}
