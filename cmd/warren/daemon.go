package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/sync/errgroup"

	"warren.mesh/cni"
	"warren.mesh/keys"
	"warren.mesh/mesh"
	"warren.mesh/mesh/agent"
	"warren.mesh/mesh/kube"
	"warren.mesh/mesh/linux"
)

var (
	_ agent.Cluster     = (*kube.Cluster)(nil)
	_ agent.Host        = (*linux.Host)(nil)
	_ agent.Attachments = cni.Configuration{}
)

// daemon is what `warren daemon` is configured by.
type daemon struct {
	mesh        mesh.Config
	mode        linux.Mode
	node        nodeOptions
	attachments cni.Configuration
	keyFile     string
	address     string
	resync      time.Duration
}

func newDaemon(log *logging) *cobra.Command {
	var d daemon
	cmd := command("daemon", "Keep this node in the mesh",
		"Stopping it takes nothing down: the mesh goes on as it is. `warren uninstall` removes it.",
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
	flags.Var(cidrs(&d.mesh.ClusterCIDRs), "cluster-cidrs", "ranges that all pod CIDRs come from; nothing to them leaves but through the mesh")
	flags.Var(cidrs(&d.mesh.NodeCIDRs), "node-cidrs", "ranges of node addresses that pods reach through the mesh or not at all")
	flags.Uint16Var(&d.mesh.Port, "port", d.mesh.Port, "WireGuard's UDP port, the same on all nodes")
	flags.Var(mark(&d.mesh.Mark), "mark", "one bit of the packet mark, for what goes back on the underlay")
	addMTUFlag(flags, &d.mesh.MTU)
	addModeFlag(flags, &d.mode)
	d.node.addFlags(flags)
	addCNIFlags(flags, &d.attachments)
	flags.StringVar(&d.keyFile, "key-file", keys.DefaultPath, "the node's private key, made where there is none")
	flags.StringVar(&d.address, "metrics-address", ":9586", "where to serve /metrics, /healthz and /readyz; empty serves nothing")
	flags.DurationVar(&d.resync, "resync", agent.DefaultResync, "interval between full observations of the host")
}

// run connects the parts and runs them until ctx ends. What it refuses to start with is an error that names the remedy;
// what it only waits for is the agent's to say.
func (d *daemon) run(ctx context.Context, log *slog.Logger) error {
	if err := d.validate(); err != nil {
		return err
	}
	key, err := loadKey(d.keyFile, log)
	if err != nil {
		return err
	}
	host, err := linux.New(linux.Config{Link: d.mesh.Link, Bridge: d.mesh.Bridge, Port: d.mesh.Port, PrivateKey: key, Mode: d.mode})
	if err != nil {
		return err
	}
	defer host.Close()
	var a *agent.Agent
	cluster, err := d.node.cluster(func() { a.Poke() })
	if err != nil {
		return err
	}
	backend, reason := host.Backend()
	a = agent.New(agent.Config{
		Node: d.node.name, Mesh: d.mesh, Key: key.Public(),
		Cluster: cluster, Host: host, Attachments: d.attachments,
		Log: log, Resync: d.resync,
		Version: version(), Backend: backend, BackendReason: reason,
	})
	listener, err := listen(d.address)
	if err != nil {
		return err
	}
	log.Info("starting", "version", version(), "node", d.node.name, "peer", key.Public().String())
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return serve(ctx, listener, a.Handler()) })
	group.Go(func() error { return cluster.Run(ctx) })
	group.Go(func() error { a.Run(ctx); return nil })
	err = group.Wait()
	log.Info("stopped: the mesh stays as it is")
	return err
}

// validate refuses a configuration that could never work, before anything is touched.
func (d *daemon) validate() error {
	cfg := d.mesh
	if cfg.MTU == 0 {
		cfg.MTU = mesh.Defaults().MTU
	}
	if d.resync <= 0 {
		return fmt.Errorf("resync interval %v: it must be positive", d.resync)
	}
	return cfg.Validate()
}

// loadKey reads or makes the node's private key.
func loadKey(path string, log *slog.Logger) (keys.Private, error) {
	loaded, err := keys.Store{Path: path}.Load()
	switch {
	case errors.Is(err, fs.ErrPermission):
		return keys.Private{}, fmt.Errorf("%w: run as root", err)
	case err != nil:
		return keys.Private{}, err
	case loaded.SetAside != "":
		log.Error("private key was corrupt: a new one was made, and the file set aside", "file", loaded.SetAside, "err", loaded.Reason)
	case loaded.Made:
		log.Info("private key made", "file", path)
	}
	return loaded.Key, nil
}
