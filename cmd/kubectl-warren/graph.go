package main

import (
	"context"

	"github.com/spf13/cobra"

	"warren.mesh/mesh/graph"
	"warren.mesh/mesh/view"
)

func newGraph(code *int) *cobra.Command {
	var o target
	o.parseOutput = func(text string) (err error) {
		_, err = graph.ParseFormat(text)
		return err
	}
	cmd := o.command(code, cobra.Command{
		Use: "graph", Short: "Draw the mesh in DOT, Mermaid or SVG",
		Long: "Draw the nodes by zone, and of the links between them only those that are not well, as the nodes say " +
			"that are asked: three of different zones, or those of --from, or all. Of more than 60 nodes, draw a " +
			"matrix of zones. Exit statuses are those of status.",
	}, func(ctx context.Context, cmd *cobra.Command, _ view.Format) (int, error) {
		format, err := graph.ParseFormat(o.output)
		if err != nil {
			return 0, err
		}
		d, err := o.ask(ctx, "status", askFlag)
		if err != nil {
			return 0, err
		}
		return view.Exit(view.CheckCluster(d), o.strict), graph.Write(cmd.OutOrStdout(), format, graph.New(d))
	})
	output := cmd.Flags().Lookup("output")
	output.Usage, output.DefValue, o.output = "dot, mermaid or svg", string(graph.DOT), string(graph.DOT)
	return cmd
}
