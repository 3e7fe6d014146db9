package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"warren.mesh/mesh/doctor"
	"warren.mesh/mesh/status"
	"warren.mesh/mesh/view"
)

// defaultPings is how many small probes each peer gets.
const defaultPings = 4

func newPing(code *int) *cobra.Command {
	var o target
	count := defaultPings
	cmd := o.command(code, cobra.Command{
		Use:   "ping NODE...|--all",
		Short: "Have nodes ask others for an echo through the mesh",
		Long: "Have nodes ask others for an echo through the mesh: three nodes of different zones, or those that " +
			"--from names. They measure round trips, loss and the path's MTU: the size of the largest IP packet that " +
			"comes back in one piece. Exit status 1 says that a node does not answer, or that a path carries less " +
			"than the mesh's MTU.\n\nIt needs the ClusterRole warren-view and the Role warren-debug.",
	}, func(ctx context.Context, cmd *cobra.Command, f view.Format) (int, error) {
		d, err := o.ping(ctx, cmd.Flags().Args(), count)
		if err != nil && !errors.Is(err, errUsage) {
			d.Checks = doctor.CheckPings(nil, nil)
			for i := range d.Checks {
				d.Checks[i].Detail = err.Error()
			}
			err = errors.Join(err, document(cmd.OutOrStdout(), f, d))
		}
		if err != nil {
			return 0, err
		}
		return view.Exit(d.Checks, o.strict), view.WritePings(cmd.OutOrStdout(), f, d)
	})
	cmd.Args = func(_ *cobra.Command, args []string) error {
		switch {
		case o.all == (len(args) > 0):
			return errors.New("want the names of nodes, or --all")
		case count < 1 || count > status.MaxPings:
			return fmt.Errorf("--count %d is not between 1 and %d", count, status.MaxPings)
		default:
			return nil
		}
	}
	cmd.Flags().Lookup("all").Usage = "ask for all nodes"
	cmd.Flags().IntVar(&count, "count", count, "how many small probes each node gets; 8 at most while it answers none")
	return cmd
}

// ping has nodes ask others, all if none is named. The error wraps errUsage if it is about how it was called.
func (o *target) ping(ctx context.Context, to []string, count int) (view.PingsDocument, error) {
	d := view.PingsDocument{
		APIVersion: status.APIVersion, Kind: view.PingsKind, Source: status.SourceDaemon, ObservedAt: time.Now(),
	}
	c := o.reader.Read(ctx, d.ObservedAt)
	if reason := c.Missing(status.PartNodes); reason != "" {
		return d, errors.New(reason)
	}
	if err := areNodes(c, to); err != nil {
		return d, err
	}
	from, err := o.pinging(c, to)
	if err != nil {
		return d, err
	}
	command := append([]string{"ping", "--count", strconv.Itoa(count)}, to...)
	if len(to) == 0 {
		command = append(command, "--all")
	}
	answers, silent := each(from, func(n status.ClusterNode) (r status.PingReport, err error) {
		answer, err := o.run(ctx, c, n, command)
		if err != nil {
			return r, err
		}
		if err := json.Unmarshal(answer, &r); err != nil {
			return r, fmt.Errorf("its answer cannot be read: %w", err)
		}
		return r, ofVersion(r.APIVersion)
	})
	d.Reports, d.Silent = answers, silent
	d.Checks = doctor.CheckPings(d.Reports, d.Silent)
	return d, nil
}

// pinging returns the nodes that ask: those of --from, or some that are not asked themselves.
func (o *target) pinging(c status.Cluster, to []string) ([]status.ClusterNode, error) {
	all := o.all
	defer func() { o.all = all }()
	o.all = false // which is about the nodes that are asked for
	if len(o.from) == 0 {
		c.Nodes = slices.DeleteFunc(slices.Clone(c.Nodes), func(n status.ClusterNode) bool {
			return slices.Contains(to, n.Name)
		})
	}
	for _, name := range o.from {
		if slices.Contains(to, name) {
			return nil, usage(fmt.Errorf("--from: %s cannot ask itself", name))
		}
	}
	return o.choose(c)
}
