package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"runtime/debug"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/sync/errgroup"

	"warren.mesh/cni"
	"warren.mesh/internal/hostdir"
	"warren.mesh/keys"
	"warren.mesh/mesh"
	"warren.mesh/mesh/agent"
	"warren.mesh/mesh/kube"
	"warren.mesh/mesh/linux"
	"warren.mesh/mesh/probe"
	"warren.mesh/mesh/userspace"
)

var (
	_ agent.Cluster     = (*kube.Cluster)(nil)
	_ agent.Teller      = (*kube.Cluster)(nil)
	_ agent.Host        = (*linux.Host)(nil)
	_ agent.Attachments = cni.Configuration{}
	_ agent.Plugins     = cni.Plugins{}
	_ agent.Key         = (*keys.Holder)(nil)
)

// daemon is the configuration of `warren daemon`.
type daemon struct {
	mesh        mesh.Config
	mode        linux.Mode
	node        nodeOptions
	attachments cni.Configuration
	plugins     cni.Plugins
	keyFile     string
	metrics     string
	health      string
	resync      time.Duration
	massRemoval time.Duration
	// probeInterval is how often peers are asked for an echo.
	probeInterval time.Duration
	// openFirewall has iptables let in what it drops of the mesh's.
	openFirewall bool
	// networkPolicy has the cluster's NetworkPolicies kept.
	networkPolicy bool
	// events has Events about the own Node told.
	events bool
	// kept are the directories of the host that were not lost at the start. The daemon ends when it loses one.
	kept hostdir.Dirs
}

func newDaemon(log *logging) *cobra.Command {
	var d daemon
	cmd := command("daemon", "Keep this node in the mesh",
		"Stopping it removes nothing: the mesh continues to work as it is. `warren uninstall` removes it.",
		func(cmd *cobra.Command) error {
			logger, err := log.logger()
			if err != nil {
				return err
			}
			return d.run(cmd.Context(), logger)
		})
	d.addFlags(cmd.Flags())
	return cmd
}

func (d *daemon) addFlags(flags *pflag.FlagSet) {
	d.mesh = mesh.Defaults()
	flags.Var(cidrs(&d.mesh.ClusterCIDRs), "cluster-cidrs",
		"ranges that contain all pod CIDRs; packets to them leave this node through the mesh only")
	flags.Var(cidrs(&d.mesh.NodeCIDRs), "node-cidrs",
		"ranges of node addresses; pods reach addresses in them through the mesh only")
	flags.Var(cidrs(&d.mesh.PlainFrom), "plain-from",
		"ranges outside the mesh, such as load balancers, whose plain text reaches pods; all other is dropped")
	flags.Uint16Var(&d.mesh.Port, "port", d.mesh.Port, "WireGuard's UDP port, the same on all nodes")
	flags.Var(mark(&d.mesh.Mark), "mark", "one bit of the packet mark, for answers that return on the underlay")
	addMTUFlag(flags, &d.mesh.MTU)
	addModeFlag(flags, &d.mode)
	d.node.addFlags(flags)
	addCNIFlags(flags, &d.attachments)
	addPluginsFlag(flags, &d.plugins)
	addSourceFlag(flags, &d.plugins, "directory of the plugins that are compared with the installed ones")
	flags.StringVar(&d.keyFile, "key-file", keys.DefaultPath, "file of the node's private key; made if it is missing")
	flags.StringVar(&d.metrics, metricsFlag, ":18787", "address on which to serve /metrics; empty to serve nothing")
	flags.StringVar(&d.health, healthFlag, "127.0.0.1:18788",
		"address on which to serve /healthz and /readyz, which the manifests' probes ask; empty to serve nothing")
	flags.BoolVar(&d.openFirewall, "open-firewall", true,
		"add rules to iptables' chains FORWARD and INPUT if they drop what nobody lets in")
	d.networkPolicy = true
	flags.Var(onOff(&d.networkPolicy), "network-policy",
		"keep the cluster's NetworkPolicies: on or off; on needs nftables tables of family bridge")
	flags.BoolVar(&d.events, "events", true, "tell Events about this node, which kubectl describe node shows")
	flags.DurationVar(&d.resync, "resync", agent.DefaultResync, "how often to read the whole state of the host")
	flags.DurationVar(&d.probeInterval, "probe-interval", defaultProbeInterval,
		"how often to ask eight peers for an echo through the mesh; 0 for never")
	flags.DurationVar(&d.massRemoval, "mass-removal-delay", agent.DefaultMassRemovalDelay,
		"how long to keep peers of which more than half disappear at once; 0 to remove them at once")
}

// run connects the parts and runs them until ctx ends. If it refuses to start, the error names the remedy. What it can
// wait for is no error here: the agent reports it.
func (d *daemon) run(ctx context.Context, log *slog.Logger) error {
	if err := d.validate(); err != nil {
		return err
	}
	if err := d.attachments.CheckRunDir(); err != nil {
		return err
	}
	collectGarbage()
	key, err := loadKey(keys.Store{Path: d.keyFile}, log)
	if err != nil {
		return err
	}
	host, err := linux.New(linux.Config{
		Link: d.mesh.Link, Bridge: d.mesh.Bridge, Port: d.mesh.Port, Key: key.Private, Mode: d.mode,
		RunDir: d.attachments.RunDir, OpenFirewall: d.openFirewall, ProbePort: probe.Port,
	})
	if err != nil {
		return err
	}
	defer host.Close()
	policies, err := d.newPolicies(host.Count, log)
	if err != nil {
		return err
	}
	d.attachments.Gate = d.networkPolicy
	var a *agent.Agent
	cluster, err := d.node.cluster(kube.Config{
		ServersFile: serversFile(d.attachments), Servers: func(err error) { a.ReachesAPIServer(err) },
		Changed: func() {
			a.Poke()
			if d.networkPolicy {
				policies.enforcer.Poke()
			}
		},
	})
	if err != nil {
		return err
	}
	station := d.newStation(func(err error) { a.Probes(err) }, func() []string { return a.Unanswered() })
	backend, reason := host.Backend()
	process := backend == string(linux.Userspace)
	shared := d.directories(process)
	d.kept = shared.Kept()
	a = agent.New(policies.config(d.networkPolicy, agent.Config{
		Node: d.node.name, Mesh: d.mesh, Key: key,
		Cluster: cluster, Host: host, Attachments: d.attachments, Plugins: d.compared(),
		Log: log, Resync: d.resync, MassRemovalDelay: d.massRemoval,
		Version: version(), Backend: backend, BackendReason: reason,
		Link: d.link, KeyWritten: key.Written, Programmed: station.Set, Events: d.teller(cluster),
		Probes: station.Probes, Lost: shared.Lost,
	}))
	if d.networkPolicy {
		policies.connect(d, cluster, a)
	}
	log.Info("starting", "version", version(), "node", d.node.name, "peer", key.Public().String())
	err = d.work(ctx, cluster, a, policies, station, log)
	log.Info("stopped: the mesh continues to work as it is")
	return err
}

// work runs the parts until ctx ends, and waits for all of them.
func (d *daemon) work(
	ctx context.Context, cluster *kube.Cluster, a *agent.Agent, policies *policies, station *probe.Station,
	log *slog.Logger,
) error {
	// Before this daemon lets a pod be attached. What keeps it from that is reported by collect, which tries again.
	_ = d.reserve(log)
	group, ctx := errgroup.WithContext(ctx)
	for _, s := range d.servers(a, policies, station) {
		group.Go(func() error { s.run(ctx); return nil })
	}
	group.Go(func() error { return cluster.Run(ctx) })
	group.Go(func() error { a.Run(ctx); return nil })
	group.Go(func() error { station.Run(ctx); return nil })
	// The liveness probe takes a minute. Meanwhile no pod would start, and the next device process, in another
	// directory, would lack the daemon. What was lost before the start does not end it: a restart has not helped then.
	group.Go(func() error { return userspace.AwaitLoss(ctx, d.kept.Lost) })
	if d.networkPolicy {
		policies.run(ctx, group)
	} else {
		group.Go(func() error { policies.turnOff(ctx, a); return nil })
	}
	group.Go(func() error { d.collect(ctx, a.FreesAddresses, log); return nil })
	return group.Wait()
}

// garbagePercent is the daemon's GOGC: garbage may grow to half of what is in use, not to as much, as by default. With
// 5,000 nodes some 27 MB are in use, and what each reading of the device leaves is garbage.
const garbagePercent = 50

// collectGarbage sets how often garbage is collected, unless the operator has.
func collectGarbage() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(garbagePercent)
	}
}

// The default ports are outside the range that Prometheus' list of default ports gives to exporters, 9100 to 9999, and
// below those that Linux gives to clients and Kubernetes to NodePorts.
const (
	metricsFlag = "metrics-address"
	healthFlag  = "health-address"
	runDirFlag  = "run-dir"
)

// teller returns who tells Events; nil if nobody does.
func (d *daemon) teller(cluster *kube.Cluster) agent.Teller {
	if !d.events {
		return nil
	}
	return cluster
}

// servers returns what serves the agent's endpoints.
func (d *daemon) servers(a *agent.Agent, p *policies, station *probe.Station) []server {
	return []server{
		{d.metrics, metricsFlag, a.Metrics(), func(err error) { a.Serves(agent.Metrics, err) }},
		{d.health, healthFlag, a.Health(), func(err error) { a.Serves(agent.Health, err) }},
		{
			stateSocket(d.attachments), runDirFlag, d.stateHandler(a, p, station),
			func(err error) { a.Serves(agent.State, err) },
		},
	}
}

// compared returns the plugins to look after; nil if there are none to compare them with.
func (d *daemon) compared() agent.Plugins {
	if _, err := os.Stat(d.plugins.From); err != nil {
		return nil
	}
	return d.plugins
}

// validate returns an error for a configuration that can never work.
func (d *daemon) validate() error {
	cfg := d.mesh
	if cfg.MTU == 0 {
		cfg.MTU = mesh.Defaults().MTU
	}
	if d.resync <= 0 {
		return fmt.Errorf("resync interval %v: want a positive duration", d.resync)
	}
	if d.probeInterval < 0 {
		return fmt.Errorf("probe interval %v: want a duration, or 0 for no probes", d.probeInterval)
	}
	if d.massRemoval < 0 {
		return fmt.Errorf("mass removal delay %v: want a duration, or 0 for none", d.massRemoval)
	}
	return cfg.Validate()
}

// loadKey reads the node's private key, or makes one.
func loadKey(store keys.Store, log *slog.Logger) (*keys.Holder, error) {
	loaded, err := store.Load()
	switch {
	case errors.Is(err, fs.ErrPermission):
		return nil, fmt.Errorf("%w: run as root", err)
	case err != nil:
		return nil, err
	case loaded.SetAside != "":
		const message = "private key is corrupt: made a new one and set the file aside"
		log.Error(message, "file", loaded.SetAside, "err", loaded.Reason)
	case loaded.Made:
		log.Info("private key made", "file", store.Path)
	}
	return keys.NewHolder(store, loaded.Key), nil
}

// link reads the mesh's interface.
func (d *daemon) link() (l agent.Link, err error) {
	l.MTU, l.Received, l.Sent, err = linux.ReadLink(d.mesh.Link)
	return l, err
}

// directories returns the host's directories without which no pod is attached, as they are now: with that of UAPI
// sockets if a process drives the device.
func (d *daemon) directories(process bool) hostdir.Dirs {
	paths := append(d.attachments.Directories(), d.plugins.To)
	if process {
		paths = append(paths, userspace.SocketDir)
	}
	return hostdir.At(paths...)
}
