package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"warren.mesh/cni"
	"warren.mesh/internal/atomicfile"
	"warren.mesh/keys"
	"warren.mesh/mesh"
	"warren.mesh/mesh/kube"
	"warren.mesh/mesh/linux"
	"warren.mesh/mesh/userspace"
)

// uninstall is the configuration of `warren uninstall`.
type uninstall struct {
	node        nodeOptions
	attachments cni.Configuration
	plugins     cni.Plugins
	keyFile     string
	keepKey     bool
	annotations bool
}

func newUninstall(log *logging) *cobra.Command {
	var u uninstall
	cmd := command("uninstall", "Remove from this node all that warren made, and nothing else",
		"Stop `warren daemon` and `warren wireguard` first: they would make it anew. "+
			"Pods lose their network. It is safe to repeat.",
		func(cmd *cobra.Command) error {
			logger, err := log.logger()
			if err != nil {
				return err
			}
			if err := u.run(cmd.Context()); err != nil {
				return err
			}
			logger.Info("uninstalled", "node", u.node.name)
			return nil
		})
	u.addFlags(cmd.Flags())
	return cmd
}

func (u *uninstall) addFlags(flags *pflag.FlagSet) {
	u.node.addFlags(flags)
	addCNIFlags(flags, &u.attachments)
	addPluginsFlag(flags, &u.plugins)
	flags.StringVar(&u.keyFile, "key-file", keys.DefaultPath, "file of the node's private key")
	flags.BoolVar(&u.keepKey, "keep-key", false, "keep the private key, for a node that will return to the mesh")
	flags.BoolVar(&u.annotations, "node-annotations", true,
		"remove the annotations from the Node object and retire its condition, which needs the API server")
}

// run removes all that it can and joins the errors. The CNI configuration goes first, so that no pod starts on a
// network that is being removed.
func (u *uninstall) run(ctx context.Context) error {
	defaults := mesh.Defaults()
	errs := []error{
		u.attachments.Remove(),
		u.unpublish(ctx),
		linux.Remove(ctx, linux.Config{
			Link: defaults.Link, Bridge: defaults.Bridge, RunDir: u.attachments.RunDir,
		}),
		removePolicies(ctx, u.attachments),
		userspace.Remove(defaults.Link),
		u.plugins.Remove(),
		u.removeKey(),
		u.removeFiles(),
	}
	return errors.Join(errs...)
}

// unpublish removes this node from the mesh of its peers.
func (u *uninstall) unpublish(ctx context.Context) error {
	if !u.annotations {
		return nil
	}
	const remedy = "the rest is done; repeat it when the API server answers, " +
		"or set --node-annotations=false, remove the warren.mesh/ annotations yourself, and set the condition " +
		"NetworkUnavailable to False if it is True"
	cluster, err := u.node.cluster(kube.Config{ServersFile: serversFile(u.attachments)})
	if err == nil {
		err = cluster.Unpublish(ctx)
	}
	if err != nil {
		return fmt.Errorf("%w (%s)", err, remedy)
	}
	return nil
}

// removeFiles deletes the file of the API server's addresses, after its last use, the socket of a daemon that was
// killed, and the run directory if nothing of others is there.
func (u *uninstall) removeFiles() error {
	err := errors.Join(atomicfile.Remove(serversFile(u.attachments)), atomicfile.Remove(stateSocket(u.attachments)))
	_ = os.Remove(u.attachments.RunDir)
	return err
}

// removeKey deletes the private key, unless it is to be kept.
func (u *uninstall) removeKey() error {
	if u.keepKey {
		return nil
	}
	return keys.Store{Path: u.keyFile}.Remove()
}
