package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"warren.mesh/cni"
	"warren.mesh/cni/gate"
	"warren.mesh/internal/atomicfile"
	"warren.mesh/mesh"
	"warren.mesh/mesh/agent"
	"warren.mesh/mesh/enforce"
	"warren.mesh/mesh/kube"
	"warren.mesh/mesh/linux/walls"
	"warren.mesh/mesh/loop"
	"warren.mesh/mesh/policy"
)

var (
	_ enforce.Host    = (*walls.Walls)(nil)
	_ enforce.Index   = (*policy.Index)(nil)
	_ enforce.Records = gate.Records{}
	_ enforce.Cluster = (*policyCluster)(nil)
)

// onOff returns a flag value that is "on" or "off".
func onOff(target *bool) value[bool] {
	parse := func(text string) (bool, error) {
		if text != "on" && text != "off" {
			return false, fmt.Errorf("%q is neither on nor off", text)
		}
		return text == "on", nil
	}
	text := func(on bool) string {
		if on {
			return "on"
		}
		return "off"
	}
	return value[bool]{target, parse, text, "on|off"}
}

// policyCluster is the part of the cluster that decides about connections. The pass is made with it before the mirror
// is, because the mirror tells the pass what it reads.
type policyCluster struct {
	*kube.PolicyMirror
	nodes atomic.Pointer[[]mesh.Node]
}

// Nodes returns the nodes that the mesh goes by; nil until it has decided about them. Those of the Node objects would
// not do: one may claim another's address, and a store in part lacks nodes that the mesh keeps.
func (c *policyCluster) Nodes() []mesh.Node {
	if nodes := c.nodes.Load(); nodes != nil {
		return *nodes
	}
	return nil
}

// policies is the pass over network policies with what it needs.
type policies struct {
	walls    *walls.Walls
	records  gate.Records
	cluster  policyCluster
	enforcer *enforce.Enforcer
	log      *slog.Logger
	runDir   string
}

// newPolicies returns the pass for a daemon, which is on; connect gives it the rest.
func (d *daemon) newPolicies(written func(kind string), log *slog.Logger) (*policies, error) {
	tables, err := walls.Open(d.mesh.Bridge, written)
	if err != nil {
		return nil, err
	}
	runDir := d.attachments.RunDir
	return &policies{walls: tables, records: gate.RecordsIn(runDir), log: log, runDir: runDir}, nil
}

// config returns the agent's part.
func (p *policies) config(on bool, c agent.Config) agent.Config {
	if on {
		c.PolicyCounters = p.walls.PolicyCounters
		c.InForce = func() bool { return p.enforcer.InForce() }
		c.Nodes = func(nodes []mesh.Node) {
			p.cluster.nodes.Store(&nodes)
			p.enforcer.Poke()
		}
	}
	return c
}

// connect makes the pass once the agent is there, whose status it shares.
func (p *policies) connect(d *daemon, cluster *kube.Cluster, a *agent.Agent) {
	p.enforcer = enforce.New(enforce.Config{
		Node: d.node.name, Cluster: &p.cluster, Host: p.walls, Index: policy.NewIndex(),
		Records: p.records, Adopt: d.attachments.Attachments, Status: a.Status(), Changed: a.Poke, Log: p.log,
		Resync: d.resync, Reserve: func() error { return d.reserve(p.log) },
	})
	p.cluster.PolicyMirror = cluster.Policies(p.enforcer, p.enforcer.Poke)
}

// run keeps the policies until ctx ends.
func (p *policies) run(ctx context.Context, group *errgroup.Group) {
	group.Go(func() error { return p.cluster.Run(ctx) })
	group.Go(func() error { p.enforcer.Run(ctx); return nil })
	server := gate.Server{RunDir: p.runDir, Daemon: p.enforcer, Log: p.log}
	group.Go(func() error { serveGate(ctx, server, p.enforcer.Serves); return nil })
}

// serveGate answers the gate until ctx ends. What keeps it from that is reported and retried: no pod is attached
// meanwhile.
func serveGate(ctx context.Context, s gate.Server, report func(error)) {
	loop.Keep(ctx, func(ctx context.Context, began func()) error {
		s.Listening = began
		return s.Serve(ctx)
	}, report)
}

// turnOff removes what a daemon with policies has left: first what decides about connections, then the gate.
func (p *policies) turnOff(ctx context.Context, a *agent.Agent) {
	enforce.TurnOff(ctx, enforce.Config{Host: p.walls, Records: p.records, Status: a.Status()})
	if err := removeGate(p.runDir); err != nil {
		p.log.Error("files of the gate are left", "err", err)
	}
}

// removePolicies removes the tables, the records of attached pods and the gate's socket.
func removePolicies(ctx context.Context, c cni.Configuration) error {
	tables, err := walls.Open(c.Bridge, func(string) {})
	if err != nil {
		return err
	}
	if err := tables.RemoveTables(ctx); err != nil {
		return err
	}
	return removeGate(c.RunDir)
}

// removeGate removes the records of attached pods and the gate's socket.
func removeGate(runDir string) error {
	return errors.Join(os.RemoveAll(gate.RecordsIn(runDir).Dir), atomicfile.Remove(gate.Socket(runDir)))
}
