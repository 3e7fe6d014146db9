package udp

import (
	"net"
	"net/netip"
	"sync/atomic"

	"golang.zx2c4.com/wireguard/conn"
)

// endpoint is a peer's address and the local address to send from. Many senders may share it: only sourceCleared
// changes.
type endpoint struct {
	// dst is never an IPv4 address in IPv6 form, which would select the wrong socket.
	dst netip.AddrPort
	// udp is dst in the form that sending needs.
	udp *net.UDPAddr
	// src is the local address that the peer sent to, from which replies are sent; zero if the peer sent nothing yet.
	src netip.Addr
	// sourceCleared says that src is no longer used.
	sourceCleared atomic.Bool
}

var _ conn.Endpoint = (*endpoint)(nil)

func newEndpoint(dst netip.AddrPort) *endpoint {
	dst = netip.AddrPortFrom(dst.Addr().Unmap(), dst.Port())
	return &endpoint{dst: dst, udp: net.UDPAddrFromAddrPort(dst)}
}

// receivedFrom returns the endpoint of a peer that sent a datagram to src. It keeps udp.
func receivedFrom(udp *net.UDPAddr, src netip.Addr) *endpoint {
	dst := udp.AddrPort()
	return &endpoint{dst: netip.AddrPortFrom(dst.Addr().Unmap(), dst.Port()), udp: udp, src: src}
}

// ClearSrc has the kernel choose the source address from now on.
func (e *endpoint) ClearSrc() { e.sourceCleared.Store(true) }

// SrcIP returns the source address to send from; zero if the kernel chooses it.
func (e *endpoint) SrcIP() netip.Addr {
	if e.sourceCleared.Load() {
		return netip.Addr{}
	}
	return e.src
}

// SrcToString returns SrcIP as text.
func (e *endpoint) SrcToString() string { return e.SrcIP().String() }

// DstIP returns the peer's address.
func (e *endpoint) DstIP() netip.Addr { return e.dst.Addr() }

// DstToString returns the peer's address and port as text.
func (e *endpoint) DstToString() string { return e.dst.String() }

// DstToBytes returns the peer's address and port for cookies: the same bytes for the same endpoint.
func (e *endpoint) DstToBytes() []byte {
	b, err := e.dst.MarshalBinary()
	if err != nil {
		panic("udp: netip.AddrPort always marshals: " + err.Error())
	}
	return b
}
