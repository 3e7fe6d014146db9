package userspace

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"sync"

	"warren.mesh/mesh/userspace/iface"
)

// Drive runs the device of an interface until ctx ends. It is what the child process of Run must call: Run passes the
// interface as file descriptor TUNFile. Drive returns nil when ctx ends and when the interface is deleted. The device
// goes up and down with the link, as a kernel device does.
//
// Drive continues with the configuration of the device process before it and initiates a handshake with each peer:
// their sessions ended with that process, which they would notice only after 15 seconds.
//
// The error wraps ErrInUse if another process has the UAPI socket.
func Drive(ctx context.Context, name string, log *slog.Logger) error {
	log = log.With("iface", name)
	l, err := iface.Inherit(name, TUNFile)
	if err != nil {
		return err
	}
	u, err := openUAPI(name)
	if err != nil {
		return errors.Join(err, l.Close())
	}
	err = drive(ctx, log, l, u)
	if errors.Is(err, ErrGone) {
		return nil
	}
	return err
}

// drive runs a device between the interface, the UDP sockets and the UAPI socket, until ctx or one of them ends.
func drive(ctx context.Context, log *slog.Logger, l *iface.Link, u *uapi) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	dev := newDevice(l, l.Retry, newLogger(log))
	r := &reporter{dev: dev.Device, supervisor: os.NewFile(supervisorFile, "supervisor")}
	defer r.close()
	settings := r.begin()
	var parts sync.WaitGroup
	parts.Go(func() { r.keepBeating(ctx) })
	restored := restore(log, dev, l, settings)

	if restored {
		parts.Go(func() { initiateHandshakes(ctx, dev.Device, settings) })
	}
	parts.Go(func() { l.Watch(ctx) })
	served := make(chan error, 1)
	clients := server{dev: dev, log: newLogger(log), changed: r.report}
	parts.Go(func() { served <- u.serve(ctx, log, clients.handle) })
	parts.Go(func() { r.follow(ctx) })

	var err error
	select {
	case <-ctx.Done():
	case err = <-served:
	case <-dev.Wait():
		err = l.Ended()
	}
	cancel()
	dev.Close()
	parts.Wait()
	return err
}

// restore configures the device with the settings of the process before it, and sets it up if its link is up. It
// reports whether the device is up with these settings.
func restore(log *slog.Logger, dev boundedDevice, l *iface.Link, settings []byte) bool {
	if len(settings) == 0 {
		return false
	}
	if err := dev.configure(settings); err != nil {
		log.Warn("cannot restore the device's configuration", "err", redact(err.Error()))
		return false
	}
	if !l.IsUp() {
		return false
	}
	if err := dev.Up(); err != nil {
		log.Warn("cannot set the device up", "err", err)
		return false
	}
	return true
}
