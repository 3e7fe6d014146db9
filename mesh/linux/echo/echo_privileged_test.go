package echo

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"warren.mesh/mesh/meshtest"
	"warren.mesh/test/lab/namespace"
)

// boundTo returns the interface that a socket is bound to.
func boundTo(t *testing.T, s *Socket) (name string) {
	t.Helper()
	raw, err := s.conn.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	err = raw.Control(func(fd uintptr) {
		name, _ = unix.GetsockoptString(int(fd), unix.SOL_SOCKET, unix.SO_BINDTODEVICE)
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimRight(name, "\x00")
}

// TestPrivilegedSockets: a socket is bound to its interface. What is too large for the interface is an error, as is a
// second socket, and an interface that is gone is another one.
func TestPrivilegedSockets(t *testing.T) {
	meshtest.Privileged(t)
	namespace.Enter(t)
	namespace.Run(t, `
ip link set lo up
ip link add mesh0 type veth peer name far0
ip link set mesh0 up mtu 1400
ip link set far0 up mtu 1500
ip addr add 10.0.0.1/32 dev mesh0
ip addr add fd00::1/128 dev mesh0 nodad
`)
	for _, own := range []string{"10.0.0.1", "fd00::1"} {
		at := netip.AddrPortFrom(netip.MustParseAddr(own), 18789)
		bound, err := Open("mesh0", at)
		if err != nil {
			t.Fatal(err)
		}
		if got := boundTo(t, bound); got != "mesh0" {
			t.Errorf("bound to %q", got)
		}
		to := netip.AddrPortFrom(at.Addr().Next(), 18789)
		namespace.Run(t, "ip route replace "+to.Addr().String()+" dev mesh0")
		for size, want := range map[int]error{1400 - 48: nil, 1401 - 28: unix.EMSGSIZE} {
			if err := bound.Send(make([]byte, size), to); !errors.Is(err, want) {
				t.Errorf("%d bytes to %v: %v, want %v", size, to, err, want)
			}
		}
		if _, err := Open("mesh0", at); !errors.Is(err, unix.EADDRINUSE) {
			t.Errorf("a second socket: %v", err)
		}
		defer func() {
			if bound.Stale() {
				t.Error("stale at once")
			}
			if err := bound.Close(); err != nil {
				t.Error(err)
			}
		}()
	}
	last, err := Open("mesh0", netip.MustParseAddrPort("10.0.0.1:4712"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = last.Close() }()
	other, err := Open("far0", netip.MustParseAddrPort("0.0.0.0:4713"))
	if err != nil {
		t.Fatal(err)
	}
	other.link = "none"
	if !other.Stale() || last.Stale() {
		t.Error("a socket is stale if, and only if, its interface is gone")
	}
	_ = other.Close()
}
