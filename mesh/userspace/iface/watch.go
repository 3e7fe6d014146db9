package iface

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
	"golang.zx2c4.com/wireguard/tun"
)

// interval is how often Watch reads the link's state without a notification: a burst of notifications overruns the
// socket, and some are lost.
const interval = time.Second

// Watch sends changes of the link to the device, until ctx ends or the link is closed.
func (l *Link) Watch(ctx context.Context) {
	defer close(l.events)
	changed, stop := notifications()
	defer stop()
	tick := time.NewTicker(interval)
	defer tick.Stop()

	var told status
	for {
		now := l.look(told)
		if !l.tell(ctx, told.until(now)) {
			return
		}
		told = now
		select {
		case <-ctx.Done():
			return
		case <-l.closed:
			return
		case <-l.retry:
			told.up = false
		case <-changed:
		case <-tick.C:
		}
	}
}

// tell reports whether the device took the events.
func (l *Link) tell(ctx context.Context, events []tun.Event) bool {
	for _, e := range events {
		select {
		case l.events <- e:
		case <-ctx.Done():
			return false
		case <-l.closed:
			return false
		}
	}
	return true
}

// status is the part of the link's state that the device follows.
type status struct {
	up  bool
	mtu int
}

// IsUp reports whether the link is up. It is false if its state cannot be read.
func (l *Link) IsUp() bool { return l.look(status{}).up }

// look reads the link's state. It returns last if the state cannot be read: a deleted link ends the device through
// Read.
func (l *Link) look(last status) status {
	found, err := netlink.LinkByIndex(l.index)
	if err != nil {
		return last
	}
	return status{up: found.Attrs().Flags&net.FlagUp != 0, mtu: found.Attrs().MTU}
}

// until returns the events that lead from s to now. The MTU comes first, because the device pads packets up to it.
func (s status) until(now status) []tun.Event {
	var events []tun.Event
	if now.mtu != s.mtu {
		events = append(events, tun.EventMTUUpdate)
	}
	switch {
	case now.up && !s.up:
		events = append(events, tun.EventUp)
	case s.up && !now.up:
		events = append(events, tun.EventDown)
	}
	return events
}

// notifications sends a value when any link of the host changed, perhaps one for many changes. It sends none if the
// kernel refuses the subscription. stop ends it and waits for its end.
func notifications() (changed <-chan struct{}, stop func()) {
	pokes := make(chan struct{}, 1)
	f, err := subscribe()
	if err != nil {
		return pokes, func() {}
	}
	var reader sync.WaitGroup
	reader.Go(func() { readNotifications(f, pokes) })
	return pokes, func() {
		_ = f.Close()
		reader.Wait()
	}
}

// readNotifications pokes for each message until f is closed. It does not parse messages: they are a reason to look.
func readNotifications(f *os.File, pokes chan<- struct{}) {
	for b := make([]byte, os.Getpagesize()); ; {
		if _, err := f.Read(b); err != nil && !errors.Is(err, unix.ENOBUFS) {
			return
		}
		select {
		case pokes <- struct{}{}:
		default:
		}
	}
}

// subscribe opens a socket that receives the kernel's messages about links.
func subscribe() (*os.File, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("open a netlink socket: %w", err)
	}
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: unix.RTMGRP_LINK}); err != nil {
		return nil, errors.Join(fmt.Errorf("subscribe to links: %w", err), unix.Close(fd))
	}
	return os.NewFile(uintptr(fd), "netlink"), nil
}
