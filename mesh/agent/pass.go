package agent

import (
	"context"
	"fmt"
	"time"

	"warren.mesh/mesh"
	"warren.mesh/mesh/events"
	"warren.mesh/mesh/status"
)

// The steps of a pass.
const (
	stepAPI                     = status.StepAPI
	stepWay                     = status.StepWay
	stepNode        status.Step = "own node"
	stepKey         status.Step = "private key"
	stepDesire      status.Step = "desired state"
	stepMTU                     = status.StepMTU
	stepPublish     status.Step = "annotations"
	stepProgram     status.Step = "host"
	stepAttach      status.Step = "cni configuration"
	stepStrays                  = status.StepStrays
	stepRival                   = status.StepRival
	stepDelegation              = status.StepDelegation
	stepPlugins     status.Step = "cni plugins"
	stepDirectories status.Step = "host directories"
	stepAvailable   status.Step = "node condition"
	stepRemoval     status.Step = "mass removal"
	stepFirewall                = status.StepFirewall
	stepOthers                  = status.StepOthers
	stepHostPorts   status.Step = "host ports"
	stepAddresses   status.Step = "stale addresses"
	stepClock       status.Step = "clock"
	stepProbes      status.Step = "probes"
)

// report notes how a step went.
func (a *Agent) report(step status.Step, err error) {
	a.status.Update(func(s status.Snapshot) status.Snapshot { return s.Report(step, err, time.Now()) })
}

// pass reads the cluster, makes the host look as it should and, once it does, lets pods be attached to it. A step that
// fails stops only the steps that depend on it.
func (a *Agent) pass(ctx context.Context) {
	a.asking()
	_ = a.lost()
	self, nodes, ok := a.read()
	if !ok {
		a.hold(ctx)
		return
	}
	if !a.addKey(&self, nodes) {
		a.hold(ctx)
		return
	}
	cfg := a.meshConfig(self, nodes)
	want, problems, err := mesh.Desired(cfg, self, nodes)
	a.status.Update(func(s status.Snapshot) status.Snapshot { return s.WithProblems(problems, time.Now()) })
	a.report(stepDesire, err)
	if err != nil {
		a.hold(ctx)
		return
	}
	step := mesh.Step{
		Want: want, Now: time.Now(), Stale: a.cfg.Cluster.Waiting() != "", Urgent: self.Silenced(problems),
	}
	attachable, effective := a.program(ctx, step) && a.awaitPolicies(), false
	if attachable {
		effective = a.attach(self.PodCIDRs, cfg.MTU)
	}
	// What the API server is told comes after what the host needs.
	a.publish(ctx, mesh.Announce(cfg, self), self, len(nodes))
	if attachable {
		a.setAvailable(ctx, self, len(nodes), effective)
	}
	a.checkPolicies(ctx, self, len(nodes))
}

// read returns the own node and all nodes; ok is false while the cluster does not say enough for a pass. An API server
// that has been read in full and is unreachable now is reported as waited for, but what it last said still holds.
//
// Nodes that lack the own Node with its UID do not suffice. They and the own Node come by two watches, each of which
// finds out by itself that the API server has returned with another store, an empty one perhaps.
func (a *Agent) read() (self mesh.Self, nodes []mesh.Node, ok bool) {
	a.report(stepAPI, waitingFor(a.cfg.Cluster.Waiting()))
	if !a.cfg.Cluster.Synced() {
		return mesh.Self{}, nil, false
	}
	self, ok = a.cfg.Cluster.Self()
	nodes = a.cfg.Cluster.Nodes()
	missing := ""
	switch {
	case !ok:
		missing = "the own Node object: the cluster has no Node named " + a.cfg.Node
	case !self.In(nodes):
		missing = "a list of Nodes that holds the own Node " + a.cfg.Node + " with its UID " + self.UID
	}
	a.report(stepNode, waitingFor(missing))
	return self, nodes, missing == ""
}

// waitingFor returns an error that wraps mesh.ErrWaiting; nil for an empty text.
func waitingFor(what string) error {
	if what == "" {
		return nil
	}
	return fmt.Errorf("%w for %s", mesh.ErrWaiting, what)
}

// hold keeps the mesh as it is while the cluster does not say enough for a pass. It prunes and publishes nothing.
func (a *Agent) hold(ctx context.Context) {
	a.announced.clear()
	a.available.clear()
	a.policyCheck.clear()
	changes, err := a.host.hold(ctx, a.cfg.Mesh)
	a.changed(ctx, changes, err)
	a.report(stepProgram, err)
	a.passFirewalls(ctx)
}

// program makes the host look like what s asks for, but for a mass removal that is held, and reports whether it does.
func (a *Agent) program(ctx context.Context, s mesh.Step) bool {
	changes, err := a.host.converge(ctx, s)
	a.changed(ctx, changes, err)
	held, _ := a.host.brake.Held()
	warning := ""
	if held > 0 {
		warning = fmt.Sprintf("more than half of the peers are gone from the API server at once: each is kept for %v, "+
			"unless it returns", a.cfg.MassRemovalDelay)
	}
	a.status.Update(func(now status.Snapshot) status.Snapshot {
		now.Peers.Desired, now.Peers.Programmed, now.Peers.Held = len(s.Want.Peers), len(a.host.have.Peers), held
		return now.Warn(stepRemoval, warning, time.Now())
	})
	a.report(stepProgram, err)
	a.devices.had = a.devices.had || err == nil
	a.passFirewalls(ctx)
	return err == nil
}

// changed logs the changes, notes a device that was new, and initiates handshakes with the peers that were added: a
// node that has forgotten its sessions must speak first, or what its peers send it stays black until they give up on
// theirs, 15 seconds later.
func (a *Agent) changed(ctx context.Context, changes []mesh.Change, err error) {
	replaced := a.devices.changed(changes, err)
	a.teller.note(func(s *events.Seen) {
		s.Changed = s.Changed || len(changes) > 0
		if replaced {
			s.Devices++
		}
	})
	var added []mesh.Peer
	for _, change := range changes {
		a.changes.add(change, err)
		added = append(added, change.Peers.Add...)
	}
	if len(added) > 0 {
		a.background.Go(func() { a.cfg.Host.InitiateHandshakes(ctx, added) })
	}
}
