package kube

import (
	"net"
	"testing"

	"golang.org/x/sys/unix"
	"k8s.io/client-go/rest"
)

func TestConnectionsAreProbed(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	conn, err := dialer(&rest.Config{})(t.Context(), "tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	raw, err := conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	wanted := map[string][2]int{
		"TCP_KEEPIDLE": {unix.TCP_KEEPIDLE, 10}, "TCP_KEEPINTVL": {unix.TCP_KEEPINTVL, 5},
		"TCP_KEEPCNT": {unix.TCP_KEEPCNT, 2},
	}
	for name, want := range wanted {
		var got int
		var optErr error
		err := raw.Control(func(fd uintptr) { got, optErr = unix.GetsockoptInt(int(fd), unix.IPPROTO_TCP, want[0]) })
		if err != nil || optErr != nil || got != want[1] {
			t.Errorf("%s is %d (%v, %v), want %d", name, got, err, optErr, want[1])
		}
	}
}
