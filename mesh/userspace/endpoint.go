package userspace

import (
	"net"
	"net/netip"
	"sync/atomic"

	"golang.zx2c4.com/wireguard/conn"
)

// endpoint is where a peer is reached, and from which of the host's addresses. Only its stuckness changes, so that many
// senders may share it.
type endpoint struct {
	// dst is never an IPv4 address in IPv6 form: it would go to the wrong socket.
	dst netip.AddrPort
	// udp is dst in the form that sending takes.
	udp *net.UDPAddr
	// src is the address that the peer sent to, and what replies come from; the zero value where it sent nothing yet.
	src netip.Addr
	// unstuck is set when src is of use no more.
	unstuck atomic.Bool
}

var _ conn.Endpoint = (*endpoint)(nil)

func newEndpoint(dst netip.AddrPort) *endpoint {
	dst = netip.AddrPortFrom(dst.Addr().Unmap(), dst.Port())
	return &endpoint{dst: dst, udp: net.UDPAddrFromAddrPort(dst)}
}

// receivedFrom is the endpoint of a peer that sent a datagram to src. It keeps udp.
func receivedFrom(udp *net.UDPAddr, src netip.Addr) *endpoint {
	dst := udp.AddrPort()
	return &endpoint{dst: netip.AddrPortFrom(dst.Addr().Unmap(), dst.Port()), udp: udp, src: src}
}

// ClearSrc lets the kernel choose the source address.
func (e *endpoint) ClearSrc() { e.unstuck.Store(true) }

// SrcIP is the source address of what is sent; the zero value leaves it to the kernel.
func (e *endpoint) SrcIP() netip.Addr {
	if e.unstuck.Load() {
		return netip.Addr{}
	}
	return e.src
}

// SrcToString is the text of SrcIP.
func (e *endpoint) SrcToString() string { return e.SrcIP().String() }

// DstIP is the peer's address.
func (e *endpoint) DstIP() netip.Addr { return e.dst.Addr() }

// DstToString is the peer's address and port.
func (e *endpoint) DstToString() string { return e.dst.String() }

// DstToBytes is the peer's address and port for cookies: the same bytes for the same endpoint.
func (e *endpoint) DstToBytes() []byte {
	b, err := e.dst.MarshalBinary()
	if err != nil {
		panic("userspace: netip.AddrPort marshals always: " + err.Error())
	}
	return b
}
