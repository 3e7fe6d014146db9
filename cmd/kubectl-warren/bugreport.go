package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"warren.mesh/mesh/bundle"
	"warren.mesh/mesh/doctor"
	"warren.mesh/mesh/status"
	"warren.mesh/mesh/view"
)

func newBugReport(code *int) *cobra.Command {
	var o target
	var redact bool
	cmd := o.command(code, cobra.Command{
		Use: "bugreport", Short: "Write what is to be known of the mesh, as a tar.gz, to standard output",
		Long: "Write what the API server tells of the mesh, and the bug reports of three nodes of different zones, " +
			"or of those that --from names, or of all. A node that does not answer within --timeout has its error in " +
			"the report, and the exit status is 3. No private key is read. It refuses more than 200 MiB.",
	}, func(ctx context.Context, cmd *cobra.Command, _ view.Format) (int, error) {
		if f, ok := cmd.OutOrStdout().(*os.File); ok && term.IsTerminal(int(f.Fd())) {
			*code = view.ExitUsage
			return 0, bundle.ErrTerminal
		}
		files, names, whole, err := o.bugReport(ctx)
		if err != nil {
			return 0, err
		}
		if redact {
			files = bundle.NewRedactor(names).Files(files)
		}
		status := view.ExitWell
		if !whole {
			status = view.ExitUnknown
		}
		return status, bundle.Write(cmd.OutOrStdout(), time.Now(), files)
	})
	cmd.Flags().BoolVar(&redact, "redact", false, "map names and addresses, each always to the same one")
	for _, flag := range []string{"output", "strict"} {
		_ = cmd.Flags().MarkHidden(flag)
	}
	return cmd
}

// bugReport returns the files of the cluster and of the nodes that are asked, the names in them, and whether all have
// answered.
func (o *target) bugReport(ctx context.Context) (files []bundle.File, names []string, whole bool, err error) {
	d := view.ClusterDocument{
		Cluster: o.reader.Read(ctx, time.Now()), Reports: map[string]view.NodeDocument{}, Silent: map[string]string{},
	}
	nodes, err := o.choose(d.Cluster)
	if err != nil {
		return nil, nil, false, err
	}
	names = d.Names()
	var mu sync.Mutex
	var group sync.WaitGroup
	turn := make(chan struct{}, atOnce)
	for _, n := range nodes {
		group.Go(func() {
			turn <- struct{}{}
			defer func() { <-turn }()
			own, err := o.nodeFiles(ctx, d.Cluster, n)
			mu.Lock()
			defer mu.Unlock()
			for _, f := range own {
				if err == nil {
					var in []string
					in, err = taken(&d, n.Name, f)
					names = append(names, in...)
				}
			}
			if err != nil {
				d.Silent[n.Name] = err.Error()
				files = append(files, ofNode(n, "failed.txt", []byte(err.Error())))
				return
			}
			for _, f := range own {
				files = append(files, ofNode(n, path.Base(f.Name), f.Content))
			}
		})
	}
	group.Wait()
	d.Checks = doctor.CheckCluster(d)
	text, err := json.MarshalIndent(d, "", "  ")
	return append(files, bundle.File{Name: "cluster.json", Content: text}), names, len(d.Silent) == 0, err
}

func (o *target) nodeFiles(ctx context.Context, c status.Cluster, n status.ClusterNode) ([]bundle.File, error) {
	if n.Daemon == nil {
		return nil, noDaemon(c)
	}
	answer, err := o.reader.Ask(ctx, n.Daemon.Name, "bugreport")
	if err != nil {
		return nil, err
	}
	return bundle.Read(answer)
}

func ofNode(n status.ClusterNode, name string, content []byte) bundle.File {
	return bundle.File{Name: path.Join("nodes", n.Name, name), Content: content}
}

// taken gives the cluster's document what a node's file says of it, and returns the names in the file. An error says
// that they are not known, so that nothing of the node can be shown to others.
func taken(d *view.ClusterDocument, node string, f bundle.File) (names []string, err error) {
	switch f.Name {
	case "doctor.json":
		var report view.NodeDocument
		err = json.Unmarshal(f.Content, &report)
		if err == nil && report.APIVersion == status.APIVersion {
			d.Reports[node] = report
		}
		names = report.Names()
	case "pods.json":
		var pods []struct{ Namespace, Name string }
		err = json.Unmarshal(f.Content, &pods)
		for _, p := range pods {
			names = append(names, p.Namespace, p.Name)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("the node's report: %s: %w", f.Name, err)
	}
	return names, nil
}
