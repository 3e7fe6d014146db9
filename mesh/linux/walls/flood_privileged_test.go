package walls

import (
	"bytes"
	"errors"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"warren.mesh/mesh/policy"
)

// flood is numbered datagrams from one pod to another, as many as there is time for.
type flood struct {
	sent, came atomic.Int64
	// stop ends the sending. Then goodbye is sent by end: once it has come, all before it has, or never will.
	stop   func()
	client *net.UDPConn
	last   chan struct{}
}

// goodbye is the last datagram of a flood.
var goodbye = []byte("goodbye")

// flood begins one to a port of its own, and ends it with the test.
func (n *node) flood(from, to string, server netip.Addr, port uint16) *flood {
	n.t.Helper()
	listener := n.udp(to, nil, port)
	f := &flood{client: n.udp(from, server.AsSlice(), port), last: make(chan struct{})}
	var running sync.WaitGroup
	stopped := make(chan struct{})
	running.Go(func() {
		for text := make([]byte, 4); ; {
			select {
			case <-stopped:
				return
			default:
				if _, err := f.client.Write(text); err == nil {
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
	})
	n.t.Cleanup(func() {
		f.stop()
		_, _ = listener.Close(), f.client.Close()
		listening.Wait()
	})
	return f
}

// end says goodbye behind all that was sent, and waits until it has come: it must be let through.
func (f *flood) end(t *testing.T) {
	t.Helper()
	f.stop()
	if _, err := f.client.Write(goodbye); err != nil {
		t.Fatal(err)
	}
	select {
	case <-f.last:
	case <-time.After(10 * time.Second):
		t.Fatal("the last packet has not arrived")
	}
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

// fromC is a policy for c, which lets it reach the apps named, in all namespaces.
func fromC(name string, apps ...string) policy.Policy {
	rule := policy.Rule{AllPorts: true}
	for _, app := range apps {
		s := selects(app)
		rule.Peers = append(rule.Peers, policy.Peer{Pods: &s, Namespaces: &policy.Selector{}})
	}
	return policy.Policy{
		Namespace: "y", Name: name, Pods: selects("c"), IsolatesEgress: true, Egress: []policy.Rule{rule},
	}
}

// TestPrivilegedEditsUnderFlood changes policies while one pod sends what they let through all the time, and another
// what they never do: of the former nothing is lost, of the latter nothing arrives, whichever of a packet's lookups the
// edit comes in between.
func TestPrivilegedEditsUnderFlood(t *testing.T) {
	for _, c := range []floodCase{
		{name: "ingress", in: toDB("in", "", "a"), more: toDB("more", "", "nobody"), let: "a to b", refused: "c to b"},
		{name: "egress", in: fromC("in", "db"), more: fromC("more", "nobody"), let: "c to b", refused: "c to a"},
	} {
		for i, family := range []string{"ipv4", "ipv6"} {
			t.Run(c.name+"/"+family, func(t *testing.T) { c.run(t, i) })
		}
	}
}

// floodCase has a policy that stays, another that comes and goes, and what they let through and what they do not.
type floodCase struct {
	name         string
	in, more     policy.Policy
	let, refused string
}

// run has the floods be of one family: of addresses of this index.
func (c floodCase) run(t *testing.T, family int) {
	n := policyNode(t, false)
	n.in.Policies = nil
	e := n.edits()
	e.SetPolicy(c.in)
	e.commit()
	let, refused := n.floodOf(c.let, family, 7001), n.floodOf(c.refused, family, 7002)
	const changes = 100
	for i := range changes {
		if i%2 == 0 {
			e.SetPolicy(c.more)
		} else {
			e.DeletePolicy(c.more.Namespace, c.more.Name)
		}
		tightens := e.commit()
		if came := refused.came.Load(); came > 0 {
			t.Fatalf("edit %d, which tightens %t: %d packets arrived that no policy lets through", i, tightens, came)
		}
	}
	let.end(t)
	if sent, came := let.sent.Load(), let.came.Load(); came != sent || sent == 0 {
		t.Errorf("%d of %d packets arrived that policies let through", came, sent)
	}
	refused.stop()
	e.DeletePolicy(c.in.Namespace, c.in.Name)
	e.commit()
	refused.end(t) // and so the others would have arrived too
	if sent, came := refused.sent.Load(), refused.came.Load(); came > 0 || sent == 0 {
		t.Errorf("%d of %d packets arrived that no policy lets through", came, sent)
	}
	t.Logf("%d edits: %d packets let through, and %d refused", changes, let.sent.Load(), refused.sent.Load())
}

// floodOf is flood between two pods of an address family.
func (n *node) floodOf(way string, family int, port uint16) *flood {
	n.t.Helper()
	from, to, _ := strings.Cut(way, " to ")
	return n.flood(from, to, of(map[string]pod{"a": podA, "b": podB}[to])[family], port)
}
