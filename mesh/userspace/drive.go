package userspace

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"sync"

	"golang.zx2c4.com/wireguard/device"
)

// Drive is the device process of Run, which gives it the interface of this name as file descriptor TUNFile. It drives it until ctx
// ends, and then returns nil, as it does where the interface was deleted. The device comes up and goes down with the link, as a
// kernel device does.
//
// It continues with the configuration of the process before it, and starts a handshake with each peer: their sessions ended with that
// process, and they would not know for up to 15 seconds.
//
// The error wraps ErrInUse where another process has the UAPI socket.
func Drive(ctx context.Context, name string, log *slog.Logger) error {
	log = log.With("iface", name)
	l, err := inherit(name)
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

// drive connects the interface, the UDP sockets and the UAPI socket by a device, until one of them ends.
func drive(ctx context.Context, log *slog.Logger, l *link, u *uapi) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	dev := newDevice(l, l.up, newLogger(log))
	r := &reporter{dev: dev, supervisor: os.NewFile(supervisorFile, "supervisor")}
	defer r.close()
	resume(ctx, log, dev, l, r.begin())

	var parts sync.WaitGroup
	parts.Go(func() { l.watch(ctx) })
	served := make(chan error, 1)
	clients := server{dev: dev, log: newLogger(log), changed: r.report}
	parts.Go(func() { served <- u.serve(ctx, log, clients.handle) })
	parts.Go(func() { r.follow(ctx) })

	var err error
	select {
	case <-ctx.Done():
	case err = <-served:
	case <-dev.Wait():
		err = l.ended()
	}
	cancel()
	dev.Close()
	parts.Wait()
	return err
}

// resume has the device continue where the last process ended.
func resume(ctx context.Context, log *slog.Logger, dev *device.Device, l *link, settings []byte) {
	if len(settings) == 0 {
		return
	}
	if err := dev.IpcSet(string(settings)); err != nil {
		log.Warn("the last configuration of the device is of no use", "err", redact(err.Error()))
		return
	}
	if !l.look(status{}).up {
		return
	}
	if err := dev.Up(); err != nil {
		log.Warn("the device does not come up", "err", err)
		return
	}
	go greet(ctx, dev, settings)
}
