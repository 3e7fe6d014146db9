package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"warren.mesh/keys"
	"warren.mesh/mesh"
	"warren.mesh/mesh/doctor"
	"warren.mesh/mesh/linux"
	"warren.mesh/mesh/linux/firewalls"
	"warren.mesh/mesh/linux/lookup"
	"warren.mesh/mesh/loop"
	"warren.mesh/mesh/status"
	"warren.mesh/mesh/view"
)

// watched is how long the guard's counters are watched.
const watched = 2 * time.Second

// examination is what `warren doctor` is asked for.
type examination struct {
	look
	keyFile string
	short   bool
	wait    time.Duration
	prove   bool
}

func newDoctor() *cobra.Command {
	var e examination
	cmd := command("doctor", "Look for what is wrong on this node",
		"Each check has an ID, which docs/runbooks.md explains. What only the daemon knows is unknown without one. "+
			"Exit statuses are those of status. What is told of the cluster as a whole, `kubectl warren doctor` says.",
		func(cmd *cobra.Command) error {
			report, checks := e.until(cmd.Context(), cmd.ErrOrStderr())
			shown := checks
			if e.short {
				shown = view.NotWell(checks)
			}
			if err := view.WriteNode(cmd.OutOrStdout(), e.output, report, shown); err != nil {
				return err
			}
			return e.exits(checks)
		})
	flags := cmd.Flags()
	e.addFlags(flags)
	e.addFirewallFlags(flags)
	e.addAskFlag(flags)
	flags.StringVar(&e.attachments.ConfDir, "cni-conf-dir", "/etc/cni/net.d",
		"directory in which the container runtime looks for CNI configurations")
	flags.StringVar(&e.keyFile, "key-file", keys.DefaultPath, "file of the node's private key, whose age is looked at")
	flags.BoolVar(&e.short, "short", false, "only what is not well")
	flags.DurationVar(&e.wait, "wait", 0, "how long to repeat the checks until all are well, warnings apart")
	flags.BoolVar(&e.prove, "prove", false, fmt.Sprintf("have the daemon send %d probes to each peer", doctor.Probes))
	return cmd
}

// until makes the checks, and again while one is not well and there is time.
func (e *examination) until(ctx context.Context, stderr io.Writer) (r status.Report, checks []view.Check) {
	loop.Until(ctx, e.wait, doctor.Again, func() bool {
		node := e.examine(ctx, stderr)
		r, checks = node.Report, doctor.CheckNode(node)
		return view.Exit(checks, false) == view.ExitWell
	})
	return r, checks
}

// examine reads what the checks are about. It says on stderr what it could not read.
func (e *examination) examine(ctx context.Context, stderr io.Writer) doctor.Node {
	began := time.Now()
	before, countersErr := linux.ReadGuard(ctx)
	n := doctor.Node{Report: e.askingReport(ctx, stderr)}
	tell := func(err error) bool {
		if err != nil {
			view.NewLines(stderr).Add("%v", err)
		}
		return err == nil
	}
	if file, delegates, err := e.rival(); tell(err) {
		n.Rival = &doctor.Rival{File: file, Delegates: delegates}
	}
	if mtu, err := e.mtu(n.Report.Peers); tell(err) {
		n.MTU = &mtu
	}
	if table, there, err := lookup.Guard(ctx); tell(err) {
		n.Guard = guardState(table.Link != "", there)
	}
	if found, err := e.findFirewalls(ctx); tell(err) {
		n.Firewalls = dropping(found)
	}
	if s := n.Report.Status; s != nil && s.Daemon.Backend == string(linux.Userspace) {
		n.KernelWireGuard = kernelHas(linux.KernelWireGuard(), tell)
	}
	if info, err := os.Stat(e.keyFile); tell(err) {
		n.KeyMade = info.ModTime()
	}
	if e.prove {
		n.Proof = e.proof(ctx, n.Report.Peers, tell)
	}
	loop.Sleep(ctx, watched-time.Since(began))
	after, err := linux.ReadGuard(ctx)
	if tell(countersErr) && tell(err) {
		n.Drops, n.Watched = grown(before, after), time.Since(began)
	}
	return n
}

// rival returns the other CNI configuration. Of a directory that is not there, as in a container without it, nothing is
// known: the daemon, which makes it, takes it for an empty one.
func (e *examination) rival() (file string, delegates bool, err error) {
	if _, err := os.Stat(e.attachments.ConfDir); err != nil {
		return "", false, fmt.Errorf("look for other CNI configurations: %w", err)
	}
	return e.attachments.Rival()
}

// proof has the daemon probe all of these peers.
func (e *examination) proof(ctx context.Context, peers []status.Peer, tell func(error) bool) *doctor.Proof {
	before := e.counted(peers, tell)
	pings, err := askPing(ctx, stateSocket(e.attachments), status.PingRequest{Count: doctor.Probes})
	if err != nil {
		tell(fmt.Errorf("the daemon sends no probes: %w", err))
	}
	return &doctor.Proof{Pings: pings, Before: before, After: e.counted(peers, tell)}
}

// counted returns the peers with what the device has counted by now; without counts if it cannot be read. What the
// daemon last read is seconds old where there are thousands of peers.
func (e *examination) counted(peers []status.Peer, tell func(error) bool) []status.Peer {
	_, statuses, err := linux.ReadPeers(e.link)
	tell(err)
	counts := map[keys.Public]mesh.PeerStatus{}
	for _, s := range statuses {
		counts[s.PublicKey] = s
	}
	all := slices.Clone(peers)
	for i, p := range all {
		all[i].SentBytes, all[i].ReceivedBytes = counts[p.PublicKey].Sent, counts[p.PublicKey].Received
	}
	return all
}

// dropping are the findings about all of the mesh's packets.
func dropping(found []firewalls.Finding) []doctor.Firewall {
	all := []doctor.Firewall{}
	for _, x := range found {
		if x.Kind != firewalls.ToNode && !x.Some {
			all = append(all, doctor.Firewall{Surely: x.Surely, Text: x.String()})
		}
	}
	return all
}

func guardState(whole, there bool) doctor.GuardState {
	switch {
	case !there:
		return doctor.GuardAbsent
	case !whole:
		return doctor.GuardAltered
	default:
		return doctor.GuardWhole
	}
}

// kernelHas returns whether the kernel has WireGuard by the error of a trial; nil if the trial failed otherwise.
func kernelHas(err error, tell func(error) bool) *bool {
	has := err == nil
	if !has && !errors.Is(err, linux.ErrNoKernelWireGuard) {
		tell(err)
		return nil
	}
	return &has
}

// grown returns by how much the counters of what was dropped have grown. A counter that has begun anew has not.
func grown(before, after map[string]uint64) map[string]uint64 {
	all := map[string]uint64{}
	for name, n := range after {
		if name != status.NotDropped && n >= before[name] {
			all[name] = n - before[name]
		}
	}
	return all
}

// mtu returns the mesh's MTU and those of the paths to the peers' endpoints. Endpoints without a route have none.
func (e *examination) mtu(peers []status.Peer) (doctor.MTU, error) {
	kernel, err := lookup.Open()
	if err != nil {
		return doctor.MTU{}, err
	}
	defer kernel.Close()
	link, err := kernel.MTU(e.link)
	all := doctor.MTU{Link: link, Paths: map[netip.Addr]int{}}
	for _, p := range peers {
		if !p.Endpoint.IsValid() {
			continue
		}
		if mtu, err := kernel.PathMTU(p.Endpoint.Addr()); err == nil {
			all.Paths[p.Endpoint.Addr()] = mtu
		}
	}
	return all, err
}
