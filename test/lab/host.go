package lab

import (
	"context"
	"net"
	"net/netip"
	"time"
)

// EchoPort is where every Host answers: HTTP on TCP, datagrams on UDP, both with the address of who asks.
const EchoPort = 8080

// Host is anything with a network namespace of its own: a node, a pod, the outside, the control plane.
type Host struct {
	// Name is unique in the lab: node1, node1/a, outside, control.
	Name string
}

// Addrs are its own addresses, IPv4 first: InternalIPs of a node, pod IPs of a pod.
func (h *Host) Addrs() []netip.Addr { panic("skeleton") }

// Addr is its address of the family of like, or the zero value: b.Addr(a) is how a reaches b.
func (h *Host) Addr(like netip.Addr) netip.Addr { panic("skeleton") }

// Do runs f in the host's network namespace on an operating-system thread of its own, which ends with it. What f does
// in other goroutines happens elsewhere. Sockets opened by f can be used anywhere.
func (h *Host) Do(f func() error) error { panic("skeleton") }

// Exec runs a command in all namespaces of the host (of a pod: its network namespace, the node's others) and returns
// standard output and error together. The error holds them too.
func (h *Host) Exec(name string, args ...string) (string, error) { panic("skeleton") }

// MustExec is Exec for setting a scene.
func (h *Host) MustExec(t TB, name string, args ...string) string { panic("skeleton") }

// Dial connects from the host; address is an IP literal with port.
func (h *Host) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	panic("skeleton")
}

// DialFrom is Dial from the given local address.
func (h *Host) DialFrom(ctx context.Context, local netip.AddrPort, network, address string) (net.Conn, error) {
	panic("skeleton")
}

// Listen listens on the host; closed when the test ends.
func (h *Host) Listen(t TB, network, address string) net.Listener { panic("skeleton") }

// ListenPacket listens for datagrams on the host; closed when the test ends.
func (h *Host) ListenPacket(t TB, network, address string) net.PacketConn { panic("skeleton") }

// Ping sends echo requests, 100 ms apart, until one is answered, and returns the round-trip time of that one. It gives up after two seconds.
func (h *Host) Ping(to netip.Addr) (time.Duration, error) { panic("skeleton") }

// Get asks the HTTP server at to (port EchoPort of any Host, or a Service that leads there) who is asking: the error, or
// the client address that the server saw. One connection, two seconds.
func (h *Host) Get(to netip.AddrPort) (seen netip.AddrPort, err error) { panic("skeleton") }

// Probe is Get over UDP, with one datagram.
func (h *Host) Probe(to netip.AddrPort) (seen netip.AddrPort, err error) { panic("skeleton") }

// Echo is the AddrPort of the host's echo server of the family of like.
func (h *Host) Echo(like netip.Addr) netip.AddrPort { panic("skeleton") }
