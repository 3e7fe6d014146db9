package main

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/spf13/cobra"

	"warren.mesh/mesh/doctor"
	"warren.mesh/mesh/probe"
	"warren.mesh/mesh/status"
	"warren.mesh/mesh/view"
)

// defaultPings is how many small probes each peer gets.
const defaultPings = 4

// ping is what `warren ping` is asked.
type ping struct {
	look
	all   bool
	count int
}

func newPing() *cobra.Command {
	var p ping
	cmd := command("ping NODE...|--all", "Have the daemon ask peers for an echo through the mesh",
		"It measures round trips, loss and the path's MTU: the size of the largest IP packet that comes back in one "+
			"piece. Every daemon answers the gateway addresses of its peers at UDP port "+fmt.Sprint(probe.Port)+
			" inside the mesh. Without a daemon nothing can be told. Exit statuses are those of status: 1 if a peer "+
			"does not answer, or if a path carries less than the mesh's MTU.",
		nil)
	cmd.Args = func(_ *cobra.Command, args []string) error { return usage(p.check(args)) }
	cmd.RunE = func(cmd *cobra.Command, args []string) error { return p.run(cmd, args) }
	p.addFlags(cmd.Flags())
	cmd.Flags().BoolVar(&p.all, "all", false, "ask all peers")
	cmd.Flags().IntVar(&p.count, "count", defaultPings,
		"how many small probes each peer gets; 8 at most while it answers none")
	return cmd
}

func (p *ping) check(nodes []string) error {
	switch {
	case p.all == (len(nodes) > 0):
		return errors.New("ping: want the names of nodes, or --all")
	case p.count < 1 || p.count > status.MaxPings:
		return fmt.Errorf("ping: --count %d is not between 1 and %d", p.count, status.MaxPings)
	default:
		return nil
	}
}

func (p *ping) run(cmd *cobra.Command, nodes []string) error {
	request := status.PingRequest{Nodes: nodes, Count: p.count}
	r, err := askPing(cmd.Context(), stateSocket(p.attachments), request)
	var refused answerError
	if errors.As(err, &refused) && refused.code == http.StatusUnprocessableEntity {
		return usage(err)
	}
	if err != nil {
		view.NewLines(cmd.ErrOrStderr()).Add("the daemon does not answer (%v): nobody else measures", err)
		r = status.PingReport{APIVersion: status.APIVersion, Kind: status.PingKind, Source: status.SourceDaemon}
	}
	d := view.PingDocument{PingReport: r}
	d.Checks = doctor.CheckPings(map[string]status.PingReport{r.Node: r}, nil)
	if err := view.WritePing(cmd.OutOrStdout(), p.output, d); err != nil {
		return err
	}
	return p.exits(d.Checks)
}
