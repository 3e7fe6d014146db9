package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"warren.mesh/cni/gate"
	"warren.mesh/mesh"
	"warren.mesh/mesh/explain"
	"warren.mesh/mesh/linux"
	"warren.mesh/mesh/linux/firewalls"
	"warren.mesh/mesh/linux/lookup"
	"warren.mesh/mesh/policy"
	"warren.mesh/mesh/status"
	"warren.mesh/mesh/view"
)

// question is what `warren explain` is asked.
type question struct {
	look
	connection policy.Connection
}

func newExplain() *cobra.Command {
	var q question
	cmd := command("explain FROM TO [PORT[/PROTOCOL]]", "Say what this node does with a packet, step by step",
		"Say at which step a packet from one address to another would be dropped. FROM and TO are addresses, or "+
			"NAMESPACE/NAME of pods of this node; one of them is of this node. Without PORT it is a ping. Routes are "+
			"the kernel's answers; what network policies decide, the daemon says. No packet is sent. Exit statuses "+
			"are those of status: 1 if the packet would be dropped, 3 if that could not be told.",
		nil)
	cmd.Args = func(_ *cobra.Command, args []string) error {
		if len(args) < 2 || len(args) > 3 {
			return usage(errors.New("explain: want FROM, TO and perhaps PORT/PROTOCOL"))
		}
		return nil
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		facts, err := q.read(cmd.Context(), cmd.ErrOrStderr(), args)
		if err != nil {
			return err
		}
		e := explain.Explain(facts)
		if err := explain.Write(cmd.OutOrStdout(), q.output, e); err != nil {
			return err
		}
		return q.exits(e.Steps)
	}
	q.addFlags(cmd.Flags())
	q.addFirewallFlags(cmd.Flags())
	cmd.Flags().StringVar(&q.attachments.CacheDir, "cni-cache-dir", "/var/lib/cni",
		"directory in which the container runtime keeps what CNI answered")
	return cmd
}

// read reads all that is to be known. It says on stderr what it could not read.
func (q *question) read(ctx context.Context, stderr io.Writer, args []string) (f explain.Facts, err error) {
	if f.From, f.To, err = q.ends(args[0], args[1]); err != nil {
		return f, usage(err)
	}
	protocol, port, err := explain.ParsePort(args[2:]...)
	if err != nil {
		return f, usage(err)
	}
	q.connection = policy.Connection{
		Client: f.From.Addr, Server: f.To.Addr, Protocol: policy.Protocol(protocol), Port: port,
	}
	report := q.sources().report(ctx, stderr)
	f.Source, f.ObservedAt, f.Link, f.Bridge = report.Source, time.Now(), q.link, q.attachments.Bridge
	if report.Status != nil {
		f.Node = report.Status.Node
	}
	tell := func(err error) bool {
		if err != nil {
			view.NewLines(stderr).Add("%v", err)
		}
		return err == nil
	}
	f.Policies = q.policies(ctx, report, tell)
	if peers, statuses, err := linux.ReadPeers(q.link); tell(err) {
		f.Peers = now(report.Peers, peers, statuses, f.ObservedAt)
	}
	if table, there, err := lookup.Guard(ctx); tell(err) {
		f.Guard = guardState(table.Link != "", there)
	}
	f.Firewalls = q.firewalls(ctx, tell)
	readKernel(&f, tell)
	return f, nil
}

// firewalls returns what others' firewalls drop of what the mesh needs, or may drop; nil where they could not be read.
func (q *question) firewalls(ctx context.Context, tell func(error) bool) []explain.Firewall {
	found, err := q.findFirewalls(ctx)
	if !tell(err) {
		return nil
	}
	all := []explain.Firewall{}
	for _, x := range found {
		hook := "input"
		if x.Kind == firewalls.Forwarded {
			hook = "forward"
		}
		all = append(all, explain.Firewall{
			IPv4: x.Family != "ip6", IPv6: x.Family != "ip", Hook: hook, WireGuard: x.Kind == firewalls.WireGuard,
			In: x.In, Out: x.Out, Surely: x.Surely, Some: x.Some, Reason: x.Reason, Remedy: x.Remedy,
		})
	}
	return all
}

// ends returns the two ends, which are of one address family and of which one is on this node.
func (q *question) ends(from, to string) (a, b explain.End, err error) {
	recorded, _ := gate.RecordsIn(q.attachments.RunDir).Load()
	remembered, _ := q.attachments.Attachments()
	pods := append(recorded, remembered...)
	own, err := net.InterfaceAddrs()
	if err != nil {
		return a, b, err
	}
	if a, err = find(pods, own, from, netip.Addr{}); err == nil {
		b, err = find(pods, own, to, a.Addr)
	}
	if err == nil && a.Addr.Is4() != b.Addr.Is4() {
		a, err = find(pods, own, from, b.Addr)
	}
	switch {
	case err != nil:
		return a, b, err
	case a.Addr.Is4() != b.Addr.Is4():
		return a, b, fmt.Errorf("%v and %v are of two address families", a.Addr, b.Addr)
	case a.Port == "" && b.Port == "" && !a.Own && !b.Own:
		return a, b, fmt.Errorf("neither %s nor %s is of this node: ask on the node of one of them", from, to)
	}
	return a, b, nil
}

// find returns the end that a text names: an address, or a pod of this node, with its address of the family of like, if
// it has one.
func find(pods []gate.Attachment, own []net.Addr, text string, like netip.Addr) (explain.End, error) {
	ip, err := netip.ParseAddr(text)
	byName := err != nil
	var found []explain.End
	for _, a := range pods {
		for _, addr := range a.Addrs {
			if name := a.Namespace + "/" + a.Name; !byName && addr == ip.Unmap() || byName && name == text {
				found = append(found, explain.End{Addr: addr, Pod: name, Port: a.Port})
			}
		}
	}
	alike := func(e explain.End) bool { return like.IsValid() && e.Addr.Is4() == like.Is4() }
	switch i := slices.IndexFunc(found, alike); {
	case i >= 0:
		return found[i], nil
	case len(found) > 0:
		return found[0], nil
	case byName:
		return explain.End{}, fmt.Errorf("%s is neither an address nor a pod of this node", text)
	}
	isOwn := func(a net.Addr) bool {
		prefix, err := netip.ParsePrefix(a.String())
		return err == nil && prefix.Addr() == ip.Unmap()
	}
	return explain.End{Addr: ip.Unmap(), Own: slices.ContainsFunc(own, isOwn)}, nil
}

// policies asks the daemon what network policies decide. Without a daemon only their absence is known.
func (q *question) policies(ctx context.Context, r status.Report, tell func(error) bool) explain.Policies {
	if r.Status == nil {
		there, err := lookup.There(policy.Table)
		return explain.Policies{
			Off: tell(err) && !there, Reason: "the daemon, which knows the policies, does not answer",
		}
	}
	if !r.Status.Enforcement.On {
		return explain.Policies{Off: true}
	}
	d, err := askJudge(ctx, stateSocket(q.attachments), q.connection)
	if err != nil {
		return explain.Policies{Reason: err.Error()}
	}
	return explain.Policies{Allowed: &d.Allowed, Reason: oneLine(d)}
}

// oneLine returns what network policies decide, and by what, on one line.
func oneLine(d policy.Decision) string {
	lines := strings.Split(strings.TrimSpace(d.String()), "\n")
	for i := range lines {
		lines[i] = strings.TrimSpace(lines[i])
	}
	return strings.Join(lines, "; ")
}

// now returns the peers as the device has them at a time, with the names and states that a report has, which may be
// half a minute old. Those of the report that are not on the device are missing.
func now(known []status.Peer, peers []mesh.Peer, statuses []mesh.PeerStatus, at time.Time) []status.Peer {
	all := []status.Peer{}
	for i, p := range peers {
		one := status.Peer{PublicKey: p.PublicKey, State: mesh.PeerIdle}
		if k := slices.IndexFunc(known, func(k status.Peer) bool { return k.PublicKey == p.PublicKey }); k >= 0 {
			one = known[k]
		}
		s := statuses[i]
		one.AllowedIPs, one.Endpoint, one.ReceivedBytes, one.SentBytes = p.AllowedIPs, s.Endpoint, s.Received, s.Sent
		switch {
		case mesh.Traffic{}.State(s, at) == mesh.PeerConnected:
			one.State = mesh.PeerConnected
		case one.State != mesh.PeerUnanswered:
			one.State = mesh.PeerIdle
		}
		all = append(all, one)
	}
	for _, k := range known {
		if !slices.ContainsFunc(peers, func(p mesh.Peer) bool { return p.PublicKey == k.PublicKey }) {
			k.State = mesh.PeerMissing
			all = append(all, k)
		}
	}
	return all
}
