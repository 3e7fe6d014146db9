package iface

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
	"golang.zx2c4.com/wireguard/tun"
	"golang.zx2c4.com/wireguard/tun/tuntest"
)

// patience is for what happens at once, or is broken.
const patience = 10 * time.Second

func TestStatusUntil(t *testing.T) {
	tests := map[string]struct {
		from, to status
		want     []tun.Event
	}{
		"nothing":     {from: status{up: true, mtu: 1420}, to: status{up: true, mtu: 1420}},
		"start, down": {to: status{mtu: 1420}, want: []tun.Event{tun.EventMTUUpdate}},
		"start, up":   {to: status{up: true, mtu: 1420}, want: []tun.Event{tun.EventMTUUpdate, tun.EventUp}},
		"up":          {from: status{mtu: 1420}, to: status{up: true, mtu: 1420}, want: []tun.Event{tun.EventUp}},
		"down":        {from: status{up: true, mtu: 1420}, to: status{mtu: 1420}, want: []tun.Event{tun.EventDown}},
		"another MTU": {from: status{up: true, mtu: 1420}, to: status{up: true, mtu: 1380},
			want: []tun.Event{tun.EventMTUUpdate}},
		"all at once": {from: status{up: true, mtu: 1420}, to: status{mtu: 1380},
			want: []tun.Event{tun.EventMTUUpdate, tun.EventDown}},
		"both at once": {from: status{mtu: 1420}, to: status{up: true, mtu: 1380},
			want: []tun.Event{tun.EventMTUUpdate, tun.EventUp}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, test.from.until(test.to)); diff != "" {
				t.Errorf("events (-want +got):\n%s", diff)
			}
		})
	}
}

// failing is a TUN whose Read fails.
type failing struct {
	tun.Device
	err error
}

func (f failing) Read([][]byte, []int, int) (int, error) { return 0, f.err }

// TestLinkRead shows which errors end the device, and that a packet which cannot be cut does not.
func TestLinkRead(t *testing.T) {
	for name, test := range map[string]struct {
		err     error
		readsOn bool
	}{
		"interface deleted": {err: os.ErrClosed},
		"file fails":        {err: &fs.PathError{Op: "read", Path: clonePath, Err: unix.EIO}},
		"bad packet":        {err: errors.New("tcp header len is invalid: 8"), readsOn: true},
		"too many segments": {err: tun.ErrTooManySegments, readsOn: true},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := newLink(failing{err: test.err}, 1).Read(nil, nil, 0)
			if !errors.Is(err, test.err) {
				t.Errorf("error %v hides %v", err, test.err)
			}
			if got := errors.Is(err, tun.ErrTooManySegments); got != test.readsOn {
				t.Errorf("device reads on = %v, want %v (%v)", got, test.readsOn, err)
			}
		})
	}
}

// TestWatchEnds shows that Watch ends although no device takes its events, and although the link does not exist.
func TestWatchEnds(t *testing.T) {
	t.Run("context", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		l := newLink(tuntest.NewChannelTUN().TUN(), -1)
		l.Watch(ctx)
		if _, open := <-l.Events(); open {
			t.Error("events are still open")
		}
	})
	t.Run("close", func(t *testing.T) {
		l := newLink(tuntest.NewChannelTUN().TUN(), 1) // Of loopback, which is up: nobody takes the event.
		done := make(chan struct{})
		go func() { defer close(done); l.Watch(t.Context()) }()
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		<-done
	})
}

// TestLinkRetry shows that Retry sends EventUp once more.
func TestLinkRetry(t *testing.T) {
	l := newLink(tuntest.NewChannelTUN().TUN(), 1)
	go l.Watch(t.Context())
	for _, want := range []tun.Event{tun.EventMTUUpdate, tun.EventUp, tun.EventUp} {
		select {
		case got := <-l.Events():
			if got != want {
				t.Fatalf("event %v, want %v", got, want)
			}
		case <-time.After(patience):
			t.Fatalf("no event, want %v", want)
		}
		if want == tun.EventUp {
			l.Retry()
			l.Retry() // Does not block.
		}
	}
}

func TestLinkEnded(t *testing.T) {
	dev := tuntest.NewChannelTUN().TUN()
	if err := newLink(dev, 1<<30).Ended(); !errors.Is(err, ErrGone) {
		t.Errorf("of a link that does not exist: %v, want %v", err, ErrGone)
	}
	if err := newLink(dev, 1).Ended(); err == nil || errors.Is(err, ErrGone) {
		t.Errorf("of a link that exists: %v, want another error than %v", err, ErrGone)
	}
}
