package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"warren.mesh/cni/gate"
	"warren.mesh/keys"
	"warren.mesh/mesh/bundle"
	"warren.mesh/mesh/doctor"
	"warren.mesh/mesh/linux/lookup"
	"warren.mesh/mesh/view"
)

// collection is what `warren bugreport` is asked for.
type collection struct {
	examination
	redact bool
}

// collectTimeout bounds each of the commands whose output is in a bug report.
const collectTimeout = 10 * time.Second

func newBugReport() *cobra.Command {
	var c collection
	cmd := command("bugreport", "Write all that is to be known of this node, as a tar.gz, to standard output",
		"It has what status, peers and doctor say, warren's routes and rules, its nftables tables, its CNI "+
			"configuration and the pods that are attached. What cannot be read is in errors.txt. The private key is "+
			"not read. It refuses more than 200 MiB.",
		func(cmd *cobra.Command) error {
			if f, ok := cmd.OutOrStdout().(*os.File); ok && term.IsTerminal(int(f.Fd())) {
				return usage(bundle.ErrTerminal)
			}
			files, names := c.collect(cmd.Context())
			if c.redact {
				files = bundle.NewRedactor(names).Files(files)
			}
			return bundle.Write(cmd.OutOrStdout(), time.Now(), files)
		})
	flags := cmd.Flags()
	c.addFlags(flags)
	_ = flags.MarkHidden("output")
	_ = flags.MarkHidden("strict")
	flags.StringVar(&c.attachments.ConfDir, "cni-conf-dir", "/etc/cni/net.d",
		"directory in which the container runtime looks for CNI configurations")
	flags.StringVar(&c.keyFile, "key-file", keys.DefaultPath, "file of the node's private key, whose age is looked at")
	flags.BoolVar(&c.redact, "redact", false, "map names and addresses, each always to the same one")
	return cmd
}

// collect returns the files of a report, and the names in them that are not to be shown to everybody.
func (c *collection) collect(ctx context.Context) (files []bundle.File, names []string) {
	var errs bytes.Buffer
	add := func(name string, content []byte) { files = append(files, bundle.File{Name: name, Content: content}) }
	document := func(name string, value any) {
		text, err := json.MarshalIndent(value, "", "  ")
		if err != nil {
			fmt.Fprintf(&errs, "%s: %v\n", name, err)
			return
		}
		add(name, text)
	}
	node := c.examine(ctx, &errs)
	document("doctor.json", view.NodeDocument{Report: node.Report, Checks: doctor.CheckNode(node)})
	routes, err := routing()
	if err != nil {
		fmt.Fprintf(&errs, "routes and rules: %v\n", err)
	}
	add("routing.txt", routes)
	for _, table := range []string{"inet warren", "bridge warren", "inet warren-policy"} {
		out, err := output(ctx, "nft", append([]string{"--stateless", "list", "table"}, strings.Fields(table)...)...)
		if err != nil {
			fmt.Fprintf(&errs, "nftables table %s: %v\n", table, err)
			continue
		}
		add("nftables "+table+".txt", out)
	}
	for _, path := range []string{c.attachments.File(), "/proc/version"} {
		content, err := os.ReadFile(path)
		if err != nil {
			fmt.Fprintln(&errs, err)
			continue
		}
		add(path[strings.LastIndexByte(path, '/')+1:], content)
	}
	pods, problems := gate.RecordsIn(c.attachments.RunDir).Load()
	for _, err := range problems {
		fmt.Fprintln(&errs, err)
	}
	document("pods.json", pods)
	add("version.txt", []byte(version()+"\n"))
	add("errors.txt", errs.Bytes())
	names = append(namesOfPods(pods), os.Getenv("KUBERNETES_SERVICE_HOST")) // which errors name
	return files, append(names, node.Report.Names()...)
}

// routing returns warren's rules and routes, one a line.
func routing() ([]byte, error) {
	kernel, err := lookup.Open()
	if err != nil {
		return nil, err
	}
	defer kernel.Close()
	var b bytes.Buffer
	rules, err := kernel.Rules()
	if err != nil {
		return nil, err
	}
	for _, r := range rules {
		fmt.Fprintf(&b, "rule %v\n", r)
	}
	routes, err := kernel.Routes()
	for _, r := range routes {
		fmt.Fprintf(&b, "route %v table %d\n", r, r.Table)
	}
	return b.Bytes(), err
}

// output runs a command, and returns what it writes; the error has what it writes to standard error.
func output(ctx context.Context, name string, args ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, collectTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%w: %s", err, strings.TrimSpace(stderr.String()))
	}
	return out, nil
}

func namesOfPods(pods []gate.Attachment) (names []string) {
	for _, p := range pods {
		names = append(names, p.Namespace, p.Name)
	}
	return names
}
