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
	cmd := command("wireguard", "Run the userspace WireGuard device, on kernels that have none",
		"It is a process of its own so that the daemon's restarts do not touch it. Where the kernel has WireGuard it idles.",
		func(cmd *cobra.Command) error {
			logger, err := log.logger()
			if err != nil {
				return err
			}
			return runDevice(cmd.Context(), logger, mode, mtu)
		})
	// Persistent, because the subcommand gets them too.
	addModeFlag(cmd.PersistentFlags(), &mode)
	addMTUFlag(cmd.PersistentFlags(), &mtu)
	cmd.AddCommand(newDrive(log))
	return cmd
}

// newDrive is the device process that `warren wireguard` starts, with its own arguments and one more.
func newDrive(log *logging) *cobra.Command {
	cmd := command("drive", "The device process of warren wireguard", "It is started by that one only.",
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

// runDevice has the device driven until ctx ends, or idles where it is not wanted: a container that ended would be started
// again and again. A userspace device that is there is driven whatever is chosen, until the daemon deletes it to replace it.
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
		// Not by its path, where another version may be by the time that the device is to be started again.
		drive := slices.Concat([]string{"/proc/self/exe"}, os.Args[1:], []string{"drive"})
		err = userspace.Run(ctx, userspace.Config{Name: name, MTU: mtu, Command: drive, Log: log, Ready: ready})
		if !errors.Is(err, userspace.ErrGone) {
			return err
		}
		log.Warn("interface was deleted, starting over", "iface", name)
	}
}

// idle waits for the end, with nothing left of a userspace device: its configuration has the private key.
func idle(ctx context.Context, log *slog.Logger, reason string) error {
	name := mesh.Defaults().Link
	if err := userspace.Remove(name); err != nil {
		log.Warn("a userspace device has left something", "iface", name, "err", err)
	}
	log.Info("idle: the device is the kernel's", "iface", name, "reason", reason)
	<-ctx.Done()
	return nil
}
