package main

import (
	"context"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"warren.mesh/cni"
	"warren.mesh/mesh"
	"warren.mesh/mesh/linux/firewalls"
	"warren.mesh/mesh/status"
	"warren.mesh/mesh/view"
)

// look is what the commands that look at this node have in common.
type look struct {
	attachments cni.Configuration
	link        string
	output      view.Format
	strict      bool
	// port is WireGuard's, of the commands that look at others' firewalls.
	port uint16
	// ask says that the daemon is to ask the peers before it tells how they fare.
	ask bool
}

func (l *look) addFlags(flags *pflag.FlagSet) {
	l.link, l.output = mesh.Defaults().Link, view.Text
	flags.StringVar(&l.attachments.RunDir, runDirFlag, "/run/warren", "directory of the daemon's socket")
	format := value[view.Format]{&l.output, view.ParseFormat, func(f view.Format) string { return string(f) }, "format"}
	flags.VarP(format, "output", "o", "text, wide, json, yaml or name")
	flags.BoolVar(&l.strict, "strict", false, "exit with 1 for a warning too")
}

// addFirewallFlags adds those of commands that look at others' firewalls.
func (l *look) addFirewallFlags(flags *pflag.FlagSet) {
	l.attachments.Bridge = mesh.Defaults().Bridge
	flags.Uint16Var(&l.port, "port", mesh.Defaults().Port, "WireGuard's UDP port, which the daemon's --port sets")
}

// findFirewalls returns what others' firewalls drop, or may drop.
func (l *look) findFirewalls(ctx context.Context) ([]firewalls.Finding, error) {
	f := firewalls.Firewalls{Link: l.link, Bridge: l.attachments.Bridge, Port: l.port}
	return f.Look(ctx)
}

// sources returns where this node's reports come from.
func (l *look) sources() sources {
	socket := stateSocket(l.attachments)
	return sources{
		ping: func(ctx context.Context, r status.PingRequest) (status.PingReport, error) {
			return askPing(ctx, socket, r)
		},
		state:  func(ctx context.Context) (status.Report, error) { return askDaemon(ctx, socket) },
		kernel: func(ctx context.Context) (status.Report, []error) { return askKernel(ctx, l.link) },
	}
}

// exits ends a command with the status that the checks make.
func (l *look) exits(checks []view.Check) error {
	if code := view.Exit(checks, l.strict); code != view.ExitWell {
		return exitError(code)
	}
	return nil
}

func newStatus() *cobra.Command {
	var l look
	cmd := command("status", "Say how this node fares",
		"Without a daemon it reads the kernel. It exits with 0 if all is well, 1 after a finding, "+
			"2 if it was called wrongly, and 3 if something could not be told.",
		func(cmd *cobra.Command) error {
			r := l.askingReport(cmd.Context(), cmd.ErrOrStderr())
			checks := view.CheckNode(r)
			if err := view.WriteNode(cmd.OutOrStdout(), l.output, r, checks); err != nil {
				return err
			}
			return l.exits(checks)
		})
	l.addFlags(cmd.Flags())
	l.addAskFlag(cmd.Flags())
	return cmd
}

func newPeers() *cobra.Command {
	var l look
	var unanswered bool
	order := view.ByNode
	cmd := command("peers", "List this node's peers and how each fares",
		"connected: it has a session. unanswered: it has none although something went to it within three minutes. "+
			"idle: nothing went to it. missing: it is not on the device. Exit statuses are those of status.",
		func(cmd *cobra.Command) error {
			r := l.sources().report(cmd.Context(), cmd.ErrOrStderr())
			check := view.CheckPeers(r)
			if unanswered {
				r.Peers = view.Unanswered(r.Peers)
			}
			r.Peers = view.Sort(r.Peers, order)
			if err := view.WritePeers(cmd.OutOrStdout(), l.output, r); err != nil {
				return err
			}
			return l.exits([]view.Check{check})
		})
	l.addFlags(cmd.Flags())
	cmd.Flags().BoolVar(&unanswered, "unanswered", false, "only those that do not answer")
	cmd.Flags().Var(value[view.Order]{&order, view.ParseOrder, func(o view.Order) string { return string(o) }, "order"},
		"sort", "node, state, handshake or bytes")
	return cmd
}
