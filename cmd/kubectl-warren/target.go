package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"warren.mesh/mesh/status"
	"warren.mesh/mesh/survey"
	"warren.mesh/mesh/view"
)

// Of a cluster with more nodes than mostAsked, all are asked only with --all. asked is how many are asked by default,
// and atOnce how many at the same time.
const (
	mostAsked = 50
	asked     = 3
	atOnce    = 16
)

// target is the cluster that a command looks at, and how it says what it found. Its flags are those of kubectl.
type target struct {
	kubeconfig, context, namespace, as string
	from                               []string
	all                                bool
	timeout                            time.Duration
	output                             string
	strict                             bool
	// ailing says that by default some nodes are asked, too, whose daemons are not ready.
	ailing bool
	// parseOutput checks --output of a command with formats of its own; nil for view's.
	parseOutput func(string) error

	reader *survey.Reader
	// server is the API server's host, which errors name.
	server string
}

func (o *target) addFlags(flags *pflag.FlagSet) {
	flags.StringVar(&o.kubeconfig, "kubeconfig", "", "kubeconfig file")
	flags.StringVar(&o.context, "context", "", "context of the kubeconfig file")
	flags.StringVar(&o.as, "as", "", "user to act as")
	flags.StringVarP(&o.namespace, "namespace", "n", "kube-system", "namespace of warren's DaemonSet")
	flags.StringSliceVar(&o.from, "from", nil, "nodes to ask; if not set, three of different zones")
	flags.BoolVar(&o.all, "all", false, "ask all nodes")
	flags.DurationVar(&o.timeout, "timeout", status.AnswerTimeout, "how long a list, or the answer of a node, may take")
	flags.StringVarP(&o.output, "output", "o", string(view.Text), "text, wide, json, yaml or name")
	flags.BoolVar(&o.strict, "strict", false, "exit with 1 for a warning too")
}

// parse reads what cobra has not, and finds the cluster. No request is sent.
func (o *target) parse() (format view.Format, err error) {
	if o.parseOutput != nil {
		err = o.parseOutput(o.output)
	} else {
		format, err = view.ParseFormat(o.output)
	}
	if err != nil {
		return "", err
	}
	if o.timeout <= 0 {
		return "", fmt.Errorf("--timeout: %v is no time to answer in", o.timeout)
	}
	config, err := o.rest()
	if err != nil {
		return "", err
	}
	server, _, err := rest.DefaultServerUrlFor(config)
	if err != nil {
		return "", fmt.Errorf("find the cluster: %w", err)
	}
	o.server = server.Hostname()
	o.reader, err = survey.New(survey.Config{REST: config, Namespace: o.namespace, Timeout: o.timeout})
	return format, err
}

func (o *target) rest() (*rest.Config, error) {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = o.kubeconfig
	overrides := &clientcmd.ConfigOverrides{CurrentContext: o.context}
	overrides.AuthInfo.Impersonate = o.as
	config, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, overrides).ClientConfig()
	if err != nil {
		return nil, fmt.Errorf("find the cluster: %w", err)
	}
	config.UserAgent = "kubectl-warren"
	return config, nil
}

// askFlag has a node's daemon ask its peers before status and doctor tell how they fare, so that idle is not taken for
// well.
const askFlag = "--ask"

// ask reads the cluster and asks the nodes, each with a command of warren's. A node whose version does not know askFlag
// is asked without it.
func (o *target) ask(ctx context.Context, command ...string) (view.ClusterDocument, error) {
	d := view.ClusterDocument{Cluster: o.reader.Read(ctx, time.Now())}
	nodes, err := o.choose(d.Cluster)
	if err != nil {
		return d, err
	}
	d.Reports, d.Silent = each(nodes, func(n status.ClusterNode) (report view.NodeDocument, err error) {
		answer, err := o.run(ctx, d.Cluster, n, command)
		if errors.Is(err, survey.ErrUsage) && slices.Contains(command, askFlag) {
			earlier := slices.DeleteFunc(slices.Clone(command), func(arg string) bool { return arg == askFlag })
			answer, err = o.run(ctx, d.Cluster, n, earlier)
		}
		if err != nil {
			return report, err
		}
		if err := json.Unmarshal(answer, &report); err != nil {
			return report, fmt.Errorf("its answer cannot be read: %w", err)
		}
		return report, ofVersion(report.APIVersion)
	})
	return d, nil
}

// each asks nodes, some of them at the same time, and returns the answers and the errors by node.
func each[T any](
	nodes []status.ClusterNode, ask func(status.ClusterNode) (T, error),
) (answers map[string]T, silent map[string]string) {
	answers, silent = map[string]T{}, map[string]string{}
	var mu sync.Mutex
	var group sync.WaitGroup
	turn := make(chan struct{}, atOnce)
	for _, n := range nodes {
		group.Go(func() {
			turn <- struct{}{}
			defer func() { <-turn }()
			answer, err := ask(n)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				silent[n.Name] = err.Error()
			} else {
				answers[n.Name] = answer
			}
		})
	}
	group.Wait()
	return answers, silent
}

// run runs a command of warren's on a node and returns the JSON that it writes.
func (o *target) run(
	ctx context.Context, c status.Cluster, n status.ClusterNode, command []string,
) ([]byte, error) {
	if n.Daemon == nil {
		return nil, noDaemon(c)
	}
	return o.reader.Ask(ctx, n.Daemon.Name, slices.Concat(command, []string{"-o", "json"})...)
}

// noDaemon says why a node has no daemon that could be asked.
func noDaemon(c status.Cluster) error {
	return errors.New(cmp.Or(c.Missing(status.PartPods), "no daemon runs there"))
}

// ofVersion returns an error for a document of another version.
func ofVersion(version string) error {
	if version != status.APIVersion {
		return fmt.Errorf("it answers in version %q, want %q", version, status.APIVersion)
	}
	return nil
}

// document writes what programs read if nothing could be told, beside the error; nothing for people.
func document(w io.Writer, f view.Format, d any) error {
	if f != view.JSON && f != view.YAML {
		return nil
	}
	return view.WriteDocument(w, f, d)
}

// areNodes returns an error that wraps errUsage if one of the names is no Node's. Where Nodes could not be read, nobody
// knows.
func areNodes(c status.Cluster, names []string) error {
	if c.Missing(status.PartNodes) != "" {
		return nil
	}
	for _, name := range names {
		if !slices.ContainsFunc(c.Nodes, func(n status.ClusterNode) bool { return n.Name == name }) {
			return usage(fmt.Errorf("%s is no Node", name))
		}
	}
	return nil
}

// choose returns the nodes to ask: those of --from, or all, or some of different zones. The error wraps errUsage.
func (o *target) choose(c status.Cluster) ([]status.ClusterNode, error) {
	nodes := c.Nodes
	if len(o.from) > 0 {
		nodes = slices.DeleteFunc(slices.Clone(nodes), func(n status.ClusterNode) bool {
			return !slices.Contains(o.from, n.Name)
		})
		if err := areNodes(c, o.from); err != nil {
			return nil, fmt.Errorf("--from: %w", err)
		}
	}
	switch {
	case o.all:
		return nodes, nil
	case len(o.from) == 0:
		return o.vantage(nodes), nil
	case len(nodes) > mostAsked:
		return nil, usage(fmt.Errorf("--from: %d nodes: with more than %d, say --all too", len(nodes), mostAsked))
	default:
		return nodes, nil
	}
}

// vantage returns a few nodes with a ready daemon, of different zones as far as there are some; of a cluster without
// any, some with a daemon at all. With ailing there are a few more whose daemons are not ready: what one of them finds,
// the others do not know.
func (o *target) vantage(nodes []status.ClusterNode) (chosen []status.ClusterNode) {
	zones := map[string]bool{}
	taken := map[string]bool{}
	for _, acceptable := range []func(status.ClusterNode) bool{
		func(n status.ClusterNode) bool { return n.Daemon != nil && n.Daemon.Ready && !zones[n.Zone] },
		func(n status.ClusterNode) bool { return n.Daemon != nil && n.Daemon.Ready },
		func(n status.ClusterNode) bool { return n.Daemon != nil },
	} {
		for _, n := range nodes {
			if len(chosen) < asked && !taken[n.Name] && acceptable(n) {
				chosen, zones[n.Zone], taken[n.Name] = append(chosen, n), true, true
			}
		}
	}
	for _, n := range nodes {
		// A kubelet that is silent answers no exec.
		ails := o.ailing && n.Ready && n.Daemon != nil && !n.Daemon.Ready
		if ails && !taken[n.Name] && len(chosen) < 2*asked {
			chosen = append(chosen, n)
		}
	}
	return chosen
}

// command returns a command that looks at a cluster. It sets code to the exit status that run returns, and for an error
// that wraps errUsage to that of wrong usage.
func (o *target) command(
	code *int, cmd cobra.Command, run func(ctx context.Context, cmd *cobra.Command, f view.Format) (int, error),
) *cobra.Command {
	cmd.Args = cobra.NoArgs
	cmd.RunE = func(c *cobra.Command, _ []string) error {
		format, err := o.parse()
		if err != nil {
			return err
		}
		*code = view.ExitUnknown
		status, err := run(c.Context(), c, format)
		switch {
		case err == nil:
			*code = status
		case errors.Is(err, errUsage):
			*code = view.ExitUsage
		}
		return err
	}
	o.addFlags(cmd.Flags())
	return &cmd
}
