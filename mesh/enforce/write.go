package enforce

import (
	"context"
	"slices"
	"strings"
	"time"

	"warren.mesh/cni/gate"
	"warren.mesh/mesh/nft"
	"warren.mesh/mesh/policy"
	"warren.mesh/mesh/ports"
	"warren.mesh/mesh/status"
)

// plan is what one pass writes.
type plan struct {
	// changes is how much was done to the attachments when the plan was made.
	changes uint64
	settled settled
	ports   nft.Layout
	// written is what ports becomes when it is in the kernel.
	written written
	// whole says that the tables are compared in full: table is then the one of policies. Else edit is its change.
	whole bool
	table nft.Layout
	edit  policy.Edit
}

// written is a table that is in the kernel: its identity, and its elements by what spelled returns.
type written struct {
	identity string
	elements map[string]nft.Element
}

func writtenAs(l nft.Layout) written {
	w := written{identity: l.Identity(), elements: make(map[string]nft.Element, len(l.Elements))}
	for _, element := range l.Elements {
		w.elements[spelled(element)] = element
	}
	return w
}

// force is what the kernel holds.
type force struct {
	// changes is how much of what was done to the attachments is in the kernel.
	changes uint64
	// missing says why no attachment can come into force; empty for nothing.
	missing string
	// paused says that missing is no fault of this node: the daemon has just started and waits, and what a former one
	// left stays in force.
	paused bool
	// attachments says of each what it lacks; empty for nothing.
	attachments map[gate.Key]string
}

// plan takes what has come since the last pass.
func (e *Enforcer) plan() (plan, error) {
	bridge, err := e.cfg.Host.Bridge()
	if err != nil {
		return plan{}, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.batch = batch{}
	p := plan{changes: e.changes, settled: settle(e.held, e.known)}
	e.give(p.settled.pods)
	p.ports = ports.Layout(bridge, p.settled.ports)
	p.written = writtenAs(p.ports)
	p.whole = e.dirty.Swap(false) || p.written.identity != e.written.identity
	if p.whole {
		p.table = e.cfg.Index.State().Table
	} else {
		p.edit = e.cfg.Index.Commit()
	}
	return p, nil
}

// give tells the index of attachments that came, went or changed. Call it with mu held.
func (e *Enforcer) give(pods map[podKey]policy.Attached) {
	for key, old := range e.given {
		if now, ok := pods[key]; !ok || !slices.Equal(now.Addrs, old.Addrs) {
			e.cfg.Index.Detach(key.namespace, key.name, key.uid)
			delete(e.given, key)
		}
	}
	for key, pod := range pods {
		if _, ok := e.given[key]; !ok {
			e.cfg.Index.Attach(pod)
			e.given[key] = pod
		}
	}
}

// write brings the plan into the kernel and reports whether that changed anything.
func (e *Enforcer) write(ctx context.Context, p plan) (changed bool, err error) {
	if p.whole {
		return e.cfg.Host.SyncTables(ctx, p.ports, p.table)
	}
	edit := difference(e.written.elements, p.written.elements)
	if edit.Empty() && p.edit.Empty() {
		return false, nil
	}
	return true, e.cfg.Host.EditTables(ctx, edit, p.edit.Edit, p.edit.Tightens)
}

// difference returns the edit that makes elements of a table others. The sets and maps stay.
func difference(before, after map[string]nft.Element) nft.Edit {
	return nft.Edit{Remove: without(before, after), Add: without(after, before)}
}

// without returns the elements that are not among others, in the order of their spelling.
func without(elements, others map[string]nft.Element) (left []nft.Element) {
	var texts []string
	for text := range elements {
		if _, ok := others[text]; !ok {
			texts = append(texts, text)
		}
	}
	slices.Sort(texts)
	for _, text := range texts {
		left = append(left, elements[text])
	}
	return left
}

func spelled(e nft.Element) string {
	return strings.Join(slices.Concat([]string{e.Set, e.Map}, e.Key, []string{":"}, e.Value), "\x00")
}

// wrote takes that the plan is in the kernel, and wakes who waits for that.
func (e *Enforcer) wrote(p plan, changed bool) {
	e.written = p.written
	e.mu.Lock()
	e.force = force{changes: p.changes, attachments: p.settled.missing}
	e.wake()
	policies := len(e.known.policies)
	e.mu.Unlock()
	if !e.inForce.Swap(true) {
		e.log.Info("network policies are in force", "policies", policies, "pods", len(p.settled.ports),
			"changed", changed)
		e.cfg.Changed()
	} else if changed && p.whole {
		e.log.Info("tables of network policies put right")
	}
	e.update(func(s status.Enforcement) status.Enforcement {
		if changed {
			s.Edits++
		}
		s.Synced = time.Now()
		return s
	})
}

// halt takes why nothing can come into force, and wakes who waits.
func (e *Enforcer) halt(missing string) { e.stay(missing, false) }

// pause is halt for what is no fault of this node; see force.
func (e *Enforcer) pause(missing string) { e.stay(missing, true) }

func (e *Enforcer) stay(missing string, paused bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.batch = batch{}
	e.force.missing, e.force.paused = missing, paused
	e.wake()
}

// wake wakes who waits for the kernel to hold something. Call it with mu held.
func (e *Enforcer) wake() {
	close(e.moved)
	e.moved = make(chan struct{})
}

// count ends the pass in the status, and brings the numbers up to date.
func (e *Enforcer) count() {
	e.mu.Lock()
	policies, attached, isolated := len(e.known.policies), len(e.held), e.cfg.Index.Isolated()
	problems, waiting := e.cfg.Index.Problems(), 0
	for key := range e.held {
		if e.lacks(key) != "" {
			waiting++
		}
	}
	e.mu.Unlock()
	problems = append(problems, e.cfg.Cluster.Problems()...)
	slices.SortFunc(problems, func(a, b policy.Problem) int { return strings.Compare(a.String(), b.String()) })
	e.update(func(s status.Enforcement) status.Enforcement {
		s.Began = time.Time{}
		s.Policies, s.Attached, s.Waiting, s.Isolated = policies, attached, waiting, isolated
		return withProblems(s, problems)
	})
}
