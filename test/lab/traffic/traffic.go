// Package traffic sends and counts packets between the hosts of a lab: flows of numbered datagrams, pings, and the
// servers that every host has, which receive flows and tell clients their addresses. It knows nothing of clusters: a
// host is an End.
package traffic

import (
	"fmt"
	"net"
	"net/netip"
	"time"

	"warren.mesh/test/lab/namespace"
	"warren.mesh/test/lab/tb"
)

const (
	// FlowPort is where every host receives flows. Kubernetes' own tests want 8081 on a node's address.
	FlowPort = 8089
	// EchoPort is where every host answers: HTTP on TCP, datagrams on UDP, both with the address of the client.
	EchoPort = 8080
)

// Patience bounds every single attempt to reach something: far more than a healthy network in one machine's memory
// needs, and enough for a handshake in between, TCP's first retransmission (1 s) included.
var Patience = tb.Bound(3 * time.Second)

// End is a host as a flow has it.
type End interface {
	// String is its name.
	String() string
	// Do runs f in its network namespace.
	Do(f func() error) error
	// Addrs are its addresses, Addr the one of the family of like, or the zero value.
	Addrs() []netip.Addr
	Addr(like netip.Addr) netip.Addr
	// Inbox has the flows to it.
	Inbox() *Inbox
}

// Servers are what every host runs.
type Servers struct {
	echo *echo
	sink *sink
}

// Serve starts a host's servers in the network namespace of set; flows to the host are those of inbox. On an error, the
// Servers hold what was started.
func Serve(set *namespace.Set, inbox *Inbox) (s *Servers, err error) {
	s = &Servers{}
	if s.echo, err = serveEcho(set); err != nil {
		return s, fmt.Errorf("start the echo server: %w", err)
	}
	s.sink, err = newSink(set, inbox)
	return s, err
}

// Close ends the servers. A nil s has none.
func (s *Servers) Close() {
	if s == nil {
		return
	}
	if s.echo != nil {
		s.echo.close()
	}
	if s.sink != nil {
		s.sink.close()
	}
}

// control runs f with a connection's file descriptor.
func control(c *net.UDPConn, f func(fd int) error) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	var inner error
	if err := raw.Control(func(fd uintptr) { inner = f(int(fd)) }); err != nil {
		return err
	}
	return inner
}
