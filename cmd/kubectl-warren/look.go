package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"warren.mesh/mesh/doctor"
	"warren.mesh/mesh/loop"
	"warren.mesh/mesh/view"
)

func newStatus(code *int) *cobra.Command {
	var o target
	return o.command(code, cobra.Command{
		Use: "status", Short: "Say how the mesh fares",
		Long: "Say how the mesh fares: what the API server tells of all nodes, and what the daemons of three nodes " +
			"of different zones say, or of those that --from names. With more than 50 nodes to ask, say --all.\n\n" +
			"It needs the ClusterRole warren-view, and for what daemons say the Role warren-debug.",
	}, func(ctx context.Context, cmd *cobra.Command, f view.Format) (int, error) {
		d, err := o.ask(ctx, "status", askFlag)
		if err != nil {
			return 0, err
		}
		d.Checks = view.CheckCluster(d)
		return view.Exit(d.Checks, o.strict), view.WriteCluster(cmd.OutOrStdout(), f, d)
	})
}

func newDoctor(code *int) *cobra.Command {
	var o target
	var short, prove bool
	var wait time.Duration
	cmd := o.command(code, cobra.Command{
		Use: "doctor", Short: "Look for what is wrong with the mesh",
		Long: "Look for what is wrong with the mesh. Each check has an ID, which docs/runbooks.md explains. Some are " +
			"made by the nodes that are asked: as for status, and three of those whose daemons are not ready. Each " +
			"asks its peers once before, so that an idle one is not taken for well. What could not be told is " +
			"unknown, and never well.",
	}, func(ctx context.Context, cmd *cobra.Command, f view.Format) (int, error) {
		o.ailing = true
		command := []string{"doctor", askFlag}
		if prove {
			command[1] = "--prove" // which asks more often
		}
		d, checks, err := o.examine(ctx, command, wait)
		if err != nil {
			return 0, err
		}
		if d.Checks = checks; short {
			d.Checks = view.NotWell(checks)
		}
		return view.Exit(checks, o.strict), view.WriteCluster(cmd.OutOrStdout(), f, d)
	})
	cmd.Flags().BoolVar(&short, "short", false, "only what is not well")
	cmd.Flags().DurationVar(&wait, "wait", 0, "how long to repeat the checks until all are well, warnings apart")
	cmd.Flags().BoolVar(&prove, "prove", false,
		fmt.Sprintf("have the nodes that are asked send %d probes to each of their peers", doctor.Probes))
	cmd.PreRun = func(cmd *cobra.Command, _ []string) {
		if prove && !cmd.Flags().Changed("timeout") {
			o.timeout = proofTimeout
		}
	}
	return cmd
}

// proofTimeout is how long nodes have to answer `doctor --prove`: daemons take two minutes where most probes are lost.
const proofTimeout = 150 * time.Second

// examine makes all checks, and again while one is not well and there is time.
func (o *target) examine(
	ctx context.Context, command []string, wait time.Duration,
) (d view.ClusterDocument, checks []view.Check, err error) {
	loop.Until(ctx, wait, doctor.Again, func() bool {
		if d, err = o.ask(ctx, command...); err != nil {
			return true
		}
		checks = doctor.CheckCluster(d)
		return view.Exit(checks, false) == view.ExitWell
	})
	if err == nil {
		err = ctx.Err()
	}
	return d, checks, err
}

func newPeers(code *int) *cobra.Command {
	var o target
	var unanswered bool
	var sort string
	cmd := o.command(code, cobra.Command{
		Use: "peers", Short: "List the peers of nodes and how each fares",
		Long: "List the peers of nodes and how each fares: of three nodes of different zones, or of those that " +
			"--from names.",
	}, func(ctx context.Context, cmd *cobra.Command, f view.Format) (int, error) {
		order, err := view.ParseOrder(sort)
		if err != nil {
			return 0, usage(err)
		}
		d, err := o.ask(ctx, "peers")
		if err != nil {
			return 0, err
		}
		checks := checkPeers(d)
		for name, report := range d.Reports {
			if unanswered {
				report.Peers = view.Unanswered(report.Peers)
			}
			report.Peers = view.Sort(report.Peers, order)
			d.Reports[name] = report
		}
		for _, name := range slices.Sorted(maps.Keys(d.Silent)) {
			view.NewLines(cmd.ErrOrStderr()).Add("%s: %s", name, d.Silent[name])
		}
		return view.Exit(checks, o.strict), view.WriteAllPeers(cmd.OutOrStdout(), f, d)
	})
	cmd.Flags().BoolVar(&unanswered, "unanswered", false, "only those that do not answer")
	cmd.Flags().StringVar(&sort, "sort", string(view.ByNode), "node, state, handshake or bytes")
	return cmd
}

// checkPeers has a check for each node that was asked; a node without an answer is unknown, and so is no node at all.
func checkPeers(d view.ClusterDocument) (checks []view.Check) {
	for _, r := range d.Reports {
		checks = append(checks, view.CheckPeers(r.Report))
	}
	if len(d.Silent) > 0 || len(checks) == 0 {
		checks = append(checks, view.Check{Name: "peers", Result: view.Unknown})
	}
	return checks
}
