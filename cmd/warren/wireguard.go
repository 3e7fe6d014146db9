package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"warren.mesh/mesh"
	"warren.mesh/mesh/linux"
	"warren.mesh/mesh/userspace"
)

func newWireguard(log *logging) *cobra.Command {
	var mode linux.Mode
	var mtu int
	cmd := command("wireguard", "Run the userspace WireGuard device, on kernels without WireGuard",
		"It is a process of its own, so that restarts of the daemon do not interrupt it. "+
			"If the kernel has WireGuard, it idles.",
		func(cmd *cobra.Command) error {
			logger, err := log.logger()
			if err != nil {
				return err
			}
			return runDevice(cmd.Context(), logger, mode, mtu)
		})
	// Persistent, because the subcommand gets the same arguments.
	addModeFlag(cmd.PersistentFlags(), &mode)
	addMTUFlag(cmd.PersistentFlags(), &mtu)
	cmd.AddCommand(newDrive(log))
	return cmd
}

// newDrive returns the subcommand of the device process, which `warren wireguard` starts with its own arguments and one
// more.
func newDrive(log *logging) *cobra.Command {
	cmd := command("drive", "Run the device process of warren wireguard", "Only `warren wireguard` starts it.",
		func(cmd *cobra.Command) error {
			logger, err := log.logger()
			if err != nil {
				return err
			}
			return userspace.Drive(cmd.Context(), mesh.Defaults().Link, logger)
		})
	cmd.Hidden = true
	return cmd
}

// runDevice runs the userspace device until ctx ends, or idles if the kernel's is chosen: a container that ends is
// restarted again and again. It runs a userspace device that exists whatever is chosen, until the daemon deletes it to
// replace it.
func runDevice(ctx context.Context, log *slog.Logger, mode linux.Mode, mtu int) error {
	name := mesh.Defaults().Link
	for {
		choice, err := linux.Choose(mode, name)
		if err != nil {
			return err
		}
		if choice.Mode == linux.Kernel && choice.Existing != linux.Userspace {
			return idle(ctx, log, choice.Reason)
		}
		ready := func() { log.Info("userspace device is up", "iface", name, "reason", choice.Reason) }
		// Not the program's path, at which there may be another version when the device process is restarted.
		drive := slices.Concat([]string{"/proc/self/exe"}, os.Args[1:], []string{"drive"})
		err = userspace.Run(ctx, userspace.Config{Name: name, MTU: mtu, Command: drive, Log: log, Ready: ready})
		if !errors.Is(err, userspace.ErrGone) {
			return err
		}
		log.Warn("interface was deleted, starting again", "iface", name)
	}
}

// idle removes what a userspace device left, because its configuration contains the private key, and waits until ctx
// ends.
func idle(ctx context.Context, log *slog.Logger, reason string) error {
	name := mesh.Defaults().Link
	if err := userspace.Remove(name); err != nil {
		log.Warn("cannot remove what a userspace device left", "iface", name, "err", err)
	}
	log.Info("idle: the kernel has the device", "iface", name, "reason", reason)
	<-ctx.Done()
	return nil
}
