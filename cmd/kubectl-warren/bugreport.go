package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path"
	"slices"
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
			"the report, and so has one whose files do not fit into its 200 MiB; the exit status is 3 then. No " +
			"private key is read.",
	}, func(ctx context.Context, cmd *cobra.Command, _ view.Format) (int, error) {
		if f, ok := cmd.OutOrStdout().(*os.File); ok && term.IsTerminal(int(f.Fd())) {
			return 0, usage(bundle.ErrTerminal)
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

// ofCluster is how many bytes of a report are kept for what is told of the cluster: of 5,000 nodes it takes some 3 MiB.
const ofCluster = 16 << 20

// gathered is what a bug report has so far.
type gathered struct {
	view.ClusterDocument
	files []bundle.File
	names map[string]bool
	// left is how many bytes the files of nodes may still have.
	left int
}

// bugReport returns the files of the cluster and of the nodes that are asked, the names in them, and whether all could
// be read. What a node says of its peers is in its own files alone.
func (o *target) bugReport(ctx context.Context) (files []bundle.File, names []string, whole bool, err error) {
	g := gathered{names: map[string]bool{o.server: true}, left: bundle.Most - ofCluster}
	g.Cluster = o.reader.Read(ctx, time.Now())
	g.Reports, g.Silent = map[string]view.NodeDocument{}, map[string]string{}
	nodes, err := o.choose(g.Cluster)
	if err != nil {
		return nil, nil, false, err
	}
	g.know(g.Names())
	var mu sync.Mutex
	var group sync.WaitGroup
	turn := make(chan struct{}, atOnce)
	for _, n := range nodes {
		group.Go(func() {
			turn <- struct{}{}
			defer func() { <-turn }()
			archive, err := o.archive(ctx, g.Cluster, n)
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				err = g.add(n, archive)
			}
			if err != nil {
				g.Silent[n.Name] = err.Error()
				g.files = append(g.files, ofNode(n, "failed.txt", []byte(err.Error())))
			}
		})
	}
	group.Wait()
	g.Checks = doctor.CheckCluster(g.ClusterDocument)
	g.Reports = nil
	text, err := json.MarshalIndent(g.ClusterDocument, "", "  ")
	files = append(g.files, bundle.File{Name: "cluster.json", Content: text})
	return files, slices.Sorted(maps.Keys(g.names)), len(g.Silent)+len(g.Unread) == 0, err
}

// archive returns the bug report of a node.
func (o *target) archive(ctx context.Context, c status.Cluster, n status.ClusterNode) ([]byte, error) {
	if n.Daemon == nil {
		return nil, noDaemon(c)
	}
	return o.reader.Ask(ctx, n.Daemon.Name, "bugreport")
}

func (g *gathered) know(names []string) {
	for _, name := range names {
		g.names[name] = true
	}
}

// add adds the files of a node's bug report. They may take half of what is left, so that no node leaves nothing to the
// others.
func (g *gathered) add(n status.ClusterNode, archive []byte) error {
	own, err := bundle.ReadUpTo(archive, g.left/2)
	if errors.Is(err, bundle.ErrTooLarge) {
		return fmt.Errorf("its files do not fit in beside those of others: ask for it with --from %s: %w", n.Name, err)
	}
	if err != nil {
		return err
	}
	for _, f := range own {
		names, err := taken(&g.ClusterDocument, n.Name, f)
		if err != nil {
			return err
		}
		g.know(names)
	}
	for _, f := range own {
		g.files = append(g.files, ofNode(n, path.Base(f.Name), f.Content))
	}
	g.left -= bundle.Size(own)
	return nil
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
		if err = json.Unmarshal(f.Content, &report); err == nil {
			err = ofVersion(report.APIVersion)
		}
		if err == nil {
			names = report.Names()
			report.Peers = nil // of many nodes they are most of what is read
			d.Reports[node] = report
		}
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
