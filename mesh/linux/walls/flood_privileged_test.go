package walls

import (
	"bytes"
	"errors"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// flood is numbered datagrams from one pod to another, as many as there is time for.
type flood struct {
	sent, came atomic.Int64
	// last is what ends the flood: once it has come, all before it has, or never will.
	last chan struct{}
	stop func()
}

// goodbye is the last datagram of a flood.
var goodbye = []byte("goodbye")

// flood begins one to a port of its own, and ends it with the test.
func (n *node) flood(from, to string, server netip.Addr, port uint16) *flood {
	n.t.Helper()
	f := &flood{last: make(chan struct{})}
	listener, client := n.udp(to, nil, port), n.udp(from, server.AsSlice(), port)
	var running sync.WaitGroup
	stopped := make(chan struct{})
	running.Go(func() {
		for text := make([]byte, 4); ; {
			select {
			case <-stopped:
				return
			default:
				if _, err := client.Write(text); err == nil {
					f.sent.Add(1)
				}
			}
		}
	})
	var listening sync.WaitGroup
	listening.Go(func() {
		for text := make([]byte, 64); ; {
			size, err := listener.Read(text)
			switch {
			case err != nil:
				return
			case bytes.Equal(text[:size], goodbye):
				close(f.last)
			default:
				f.came.Add(1)
			}
		}
	})
	f.stop = sync.OnceFunc(func() {
		close(stopped)
		running.Wait()
		_, _ = client.Write(goodbye)
	})
	n.t.Cleanup(func() {
		f.stop()
		_, _ = listener.Close(), client.Close()
		listening.Wait()
	})
	return f
}

// udp returns a socket in a namespace with room for what its reader is late for: bound to the port, or connected to a
// server's.
func (n *node) udp(where string, server net.IP, port uint16) (socket *net.UDPConn) {
	n.t.Helper()
	err := n.ns[where].Do(func() (err error) {
		if server != nil {
			socket, err = net.DialUDP("udp", nil, &net.UDPAddr{IP: server, Port: int(port)})
			return err
		}
		if socket, err = net.ListenUDP("udp", &net.UDPAddr{Port: int(port)}); err != nil {
			return err
		}
		raw, err := socket.SyscallConn()
		if err != nil {
			return err
		}
		var forced error
		err = raw.Control(func(fd uintptr) {
			forced = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 64<<20)
		})
		return errors.Join(err, forced)
	})
	if err != nil {
		n.t.Fatal(err)
	}
	return socket
}

// TestPrivilegedEditsUnderFlood changes policies while one pod sends what they let through all the time, and another
// what they never do: of the former nothing is lost, of the latter nothing arrives, whichever of a packet's lookups the
// edit comes in between.
func TestPrivilegedEditsUnderFlood(t *testing.T) {
	n := policyNode(t, false)
	n.in.Policies = nil
	e := n.edits()
	e.SetPolicy(toDB("in", "", "a"))
	e.commit()
	let, refused := n.flood("a", "b", podB.v4(), 7001), n.flood("c", "b", podB.v4(), 7002)
	const changes = 100
	for i := range changes {
		before := refused.came.Load()
		if i%2 == 0 {
			e.SetPolicy(toDB("more", "", "nobody"))
		} else {
			e.DeletePolicy("x", "more")
		}
		tightens := e.commit()
		if came := refused.came.Load() - before; came > 0 {
			t.Errorf("edit %d, which tightens %t: %d packets arrived that no policy lets through", i, tightens, came)
		}
	}
	let.stop()
	select {
	case <-let.last:
	case <-time.After(10 * time.Second):
		t.Fatal("the last packet has not arrived")
	}
	if sent, came := let.sent.Load(), let.came.Load(); came != sent || sent == 0 {
		t.Errorf("%d of %d packets arrived that policies let through", came, sent)
	}
	t.Logf("%d edits: %d packets let through, and %d refused", changes, let.sent.Load(), refused.sent.Load())
}
