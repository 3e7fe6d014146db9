package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"warren.mesh/mesh/explain"
	"warren.mesh/mesh/status"
	"warren.mesh/mesh/survey"
	"warren.mesh/mesh/view"
)

func newExplain(code *int) *cobra.Command {
	var o target
	cmd := o.command(code, cobra.Command{
		Use:   "explain POD POD|NODE|IP|SERVICE [PORT[/PROTOCOL]]",
		Short: "Say where a packet of a pod's would be dropped",
		Long: "Say what the nodes of a packet's two ends do with it, step by step, and at which step it would be " +
			"dropped. POD and SERVICE are NAMESPACE/NAME; a Service is that of a name which no pod has, or " +
			"service/NAMESPACE/NAME. For a Service there is a way to each ready endpoint of the port, or of its " +
			"first port. Without PORT it is a ping. No packet is sent.\n\n" +
			"It needs the ClusterRole warren-view and the Role warren-debug: both nodes are asked.",
	}, func(ctx context.Context, cmd *cobra.Command, f view.Format) (int, error) {
		ways, err := o.explain(ctx, cmd.Flags().Args())
		switch {
		case errors.Is(err, survey.ErrNotFound):
			return 0, usage(err)
		case errors.Is(err, errUsage):
			return 0, err
		case err != nil:
			args := cmd.Flags().Args()
			ways := explain.NewWays(time.Now(), []explain.Way{
				explain.Join(args[0], args[1], explain.Silent("", err.Error())),
			})
			return 0, errors.Join(err, document(cmd.OutOrStdout(), f, ways))
		}
		return view.Exit(ways.Steps(), o.strict), explain.WriteWays(cmd.OutOrStdout(), f, ways)
	})
	cmd.Flags().Lookup("from").Hidden = true
	cmd.Flags().Lookup("all").Usage = fmt.Sprintf("ask for all endpoints of a Service that has more than %d", mostAsked)
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if err := cobra.RangeArgs(2, 3)(cmd, args); err != nil {
			return err
		}
		if len(o.from) > 0 {
			return errors.New("--from: the nodes of the packet's two ends are asked, and no others")
		}
		_, _, err := explain.ParsePort(args[2:]...)
		return err
	}
	return cmd
}

// explain finds the two ends, of which the second may be several, and asks their nodes.
func (o *target) explain(ctx context.Context, args []string) (explain.Ways, error) {
	now := time.Now()
	c := o.reader.Read(ctx, now)
	from, err := o.ends(ctx, c, args[0])
	if err != nil {
		return explain.Ways{}, err
	}
	if len(from) != 1 || from[0].Node == "" {
		return explain.Ways{}, fmt.Errorf("%s is on no node: want a pod: %w", args[0], survey.ErrNotFound)
	}
	to, err := o.ends(ctx, c, args[1], args[2:]...)
	if err != nil {
		return explain.Ways{}, err
	}
	if len(to) > mostAsked && !o.all {
		return explain.Ways{}, usage(
			fmt.Errorf("%s: %d endpoints: with more than %d, say --all", args[1], len(to), mostAsked))
	}
	ways := make([]explain.Way, len(to))
	turn := make(chan struct{}, atOnce)
	var group sync.WaitGroup
	for i, end := range to {
		group.Go(func() {
			turn <- struct{}{}
			defer func() { <-turn }()
			ways[i] = o.way(ctx, c, from[0], end)
		})
	}
	group.Wait()
	return explain.NewWays(now, ways), nil
}

// ends returns what an argument names: an address, a Node, a pod, or the endpoints of a Service.
func (o *target) ends(ctx context.Context, c status.Cluster, text string, port ...string) ([]survey.End, error) {
	protocol, number, err := explain.ParsePort(port...)
	if err != nil {
		return nil, err
	}
	with := func(end survey.End) []survey.End {
		end.Protocol, end.Port = protocol, number
		return []survey.End{end}
	}
	if ip, err := netip.ParseAddr(text); err == nil {
		return with(survey.End{Node: nodeOf(c, ip), Addrs: []netip.Addr{ip}}), nil
	}
	namespace, name, namespaced := strings.Cut(text, "/")
	if !namespaced {
		i := slices.IndexFunc(c.Nodes, func(n status.ClusterNode) bool { return n.Name == text })
		if reason := c.Missing(status.PartNodes); i < 0 && reason != "" {
			return nil, errors.New(reason)
		}
		if i < 0 {
			return nil, fmt.Errorf("node %s: %w; pods and Services are NAMESPACE/NAME", text, survey.ErrNotFound)
		}
		return with(survey.End{Name: text, Node: text, Addrs: c.Nodes[i].NodeIPs}), nil
	}
	if first, rest, three := strings.Cut(name, "/"); three {
		if namespace != "service" && namespace != "svc" {
			return nil, fmt.Errorf("%s: %w: want NAMESPACE/NAME, or service/NAMESPACE/NAME", text, survey.ErrNotFound)
		}
		return o.reader.Service(ctx, first, rest, protocol, number)
	}
	pod, err := o.reader.Pod(ctx, namespace, name)
	if errors.Is(err, survey.ErrNotFound) {
		return o.reader.Service(ctx, namespace, name, protocol, number)
	}
	return with(pod), err
}

// nodeOf returns the Node of an address, by its pod CIDRs and its own addresses; empty where it is of none.
func nodeOf(c status.Cluster, ip netip.Addr) string {
	for _, n := range c.Nodes {
		if slices.Contains(n.NodeIPs, ip) ||
			slices.ContainsFunc(n.PodCIDRs, func(p netip.Prefix) bool { return p.Contains(ip) }) {
			return n.Name
		}
	}
	return ""
}

// way asks the nodes of both ends, or the one where both are or the other is outside.
func (o *target) way(ctx context.Context, c status.Cluster, from, to survey.End) explain.Way {
	a, b, common := addresses(from.Addrs, to.Addrs)
	names := [2]string{label(from, a), label(to, b)}
	if !common {
		return explain.Join(names[0], names[1],
			explain.Silent(from.Node, "the two ends have no address family in common"))
	}
	question := []string{"explain", a.String(), b.String()}
	if to.Port != 0 {
		question = append(question, strconv.Itoa(int(to.Port))+"/"+to.Protocol)
	}
	nodes := []string{from.Node}
	if to.Node != "" && to.Node != from.Node {
		nodes = append(nodes, to.Node)
	}
	legs := make([]explain.Leg, len(nodes))
	var group sync.WaitGroup
	for i, node := range nodes {
		group.Go(func() { legs[i] = o.leg(ctx, c, node, question) })
	}
	group.Wait()
	return explain.Join(names[0], names[1], legs...)
}

// addresses returns the first addresses of one family; else the first of each end.
func addresses(from, to []netip.Addr) (a, b netip.Addr, common bool) {
	for _, a := range from {
		for _, b := range to {
			if a.Is4() == b.Is4() {
				return a, b, true
			}
		}
	}
	return slices.Concat(from, []netip.Addr{{}})[0], slices.Concat(to, []netip.Addr{{}})[0], false
}

// label reads "shop/web-0 10.244.1.7 on node-a".
func label(e survey.End, ip netip.Addr) string {
	text := ip.String()
	if e.Name != "" && e.Name != e.Node {
		text = e.Name + " " + text
	}
	if e.Node != "" {
		text += " on " + e.Node
	}
	return text
}

func (o *target) leg(ctx context.Context, c status.Cluster, node string, question []string) explain.Leg {
	i := slices.IndexFunc(c.Nodes, func(n status.ClusterNode) bool { return n.Name == node })
	if i < 0 || c.Nodes[i].Daemon == nil {
		return explain.Silent(node, noDaemon(c).Error())
	}
	answer, err := o.reader.Ask(ctx, c.Nodes[i].Daemon.Name, append(question, "-o", "json")...)
	var e explain.Explanation
	if err == nil {
		err = json.Unmarshal(answer, &e)
	}
	switch {
	case err != nil:
		return explain.Silent(node, err.Error())
	case e.APIVersion != status.APIVersion || e.Kind != explain.Kind:
		return explain.Silent(node, fmt.Sprintf("it answers with %s %q, want %s %q", e.APIVersion, e.Kind,
			status.APIVersion, explain.Kind))
	default:
		return explain.Leg{Node: node, Steps: e.Steps}
	}
}
