package userspace

import (
	"net"
	"os"
	"strings"
	"syscall"
	"testing"

	"golang.zx2c4.com/wireguard/wgctrl/wgtypes"
)

// pair is two nodes whose devices are up, with 10.0.0.1, fd00::1 and 10.0.0.2, fd00::2 inside the tunnel.
func pair(t *testing.T, family string) (a, b *node) {
	t.Helper()
	a, b = newNode(t), newNode(t)
	connect(t, a, "eth0", "192.0.2.1/24 2001:db8::1/64", b, "eth0", "192.0.2.2/24 2001:db8::2/64")
	a.start(t)
	b.start(t)
	a.address(t, a.iface, "10.0.0.1/24 fd00::1/64")
	b.address(t, b.iface, "10.0.0.2/24 fd00::2/64")
	hostA, hostB := "192.0.2.1", "192.0.2.2"
	if family == "v6" {
		hostA, hostB = "2001:db8::1", "2001:db8::2"
	}
	a.setUp(t, b.peer(hostB, "10.0.0.2", "fd00::2"))
	b.setUp(t, a.peer(hostA, "10.0.0.1", "fd00::1"))
	return a, b
}

func TestPrivilegedTraffic(t *testing.T) {
	for _, family := range []string{"v4", "v6"} {
		t.Run(family, func(t *testing.T) {
			a, b := pair(t, family)
			for _, addr := range []string{"10.0.0.2", "fd00::2"} {
				a.ping(t, 10, addr)
				a.transfer(t, b, addr, 16<<20)
			}
			for _, n := range []*node{a, b} {
				if out := n.ip(t, "-o link show "+n.iface); !strings.Contains(out, "mtu 1420") {
					t.Errorf("MTU of a new interface is not 1420: %s", out)
				}
			}
		})
	}
}

// TestPrivilegedKill kills the process: the link stays as it is, and a new process takes it over.
func TestPrivilegedKill(t *testing.T) {
	a, b := pair(t, "v4")
	a.ip(t, "route add 10.1.0.0/16 dev "+a.iface+" proto 87")
	a.ip(t, "link set mtu 1380 dev "+a.iface)
	a.ping(t, 3, "10.0.0.2")
	before := linkOf(t, a)

	_ = a.stop(t, syscall.SIGKILL)
	if diff := diffLinks(before, linkOf(t, a)); diff != "" {
		t.Errorf("the link changed with the process's death: %s", diff)
	}
	if _, err := os.Stat(a.socket()); err != nil {
		t.Errorf("the killed process is said to leave its socket behind: %v", err)
	}

	a.start(t)
	if diff := diffLinks(before, linkOf(t, a)); diff != "" {
		t.Errorf("the link changed with the process's start: %s", diff)
	}
	a.setUp(t, b.peer("192.0.2.2", "10.0.0.2", "fd00::2"))
	a.ping(t, 10, "10.0.0.2")
	b.ping(t, 10, "fd00::1")
}

// TestPrivilegedRestartOfADownLink starts on a leftover that is down: the device comes up with the link, on its port.
func TestPrivilegedRestartOfADownLink(t *testing.T) {
	a, b := pair(t, "v4")
	_ = a.stop(t, syscall.SIGKILL)
	a.ip(t, "link set "+a.iface+" down")
	a.start(t)
	a.setUp(t, b.peer("192.0.2.2", "10.0.0.2"))
	a.ip(t, "link set "+a.iface+" up")
	a.reach(t, "10.0.0.2") // The device learns of it after the link is up.
	a.ping(t, 10, "10.0.0.2")
	if got := a.device(t).ListenPort; got != testPort {
		t.Errorf("port = %d, want %d", got, testPort)
	}
}

// TestPrivilegedStop ends the process as the kubelet does.
func TestPrivilegedStop(t *testing.T) {
	a, _ := pair(t, "v4")
	before := linkOf(t, a)
	if err := a.stop(t, syscall.SIGTERM); err != nil {
		t.Errorf("SIGTERM: %v: %s", err, a.stderr)
	}
	if diff := diffLinks(before, linkOf(t, a)); diff != "" {
		t.Errorf("the link changed with the process's end: %s", diff)
	}
	if _, err := os.Stat(a.socket()); err == nil {
		t.Error("the UAPI socket is still there")
	}
}

// linkOf returns what must survive the process: the link's flags, MTU, addresses and routes, without what the kernel
// adds while no process has the interface.
func linkOf(t *testing.T, n *node) string {
	t.Helper()
	link := n.ip(t, "-o address show "+n.iface) + n.ip(t, "-o link show "+n.iface) +
		n.ip(t, "route show dev "+n.iface) + n.ip(t, "-6 route show dev "+n.iface)
	return strings.NewReplacer(",LOWER_UP", "", "NO-CARRIER,", "", " linkdown", "",
		"state UNKNOWN", "", "state DOWN", "", "state UP", "").Replace(link)
}

func diffLinks(before, after string) string {
	if before == after {
		return ""
	}
	return "before:\n" + before + "after:\n" + after
}

// TestPrivilegedRefusals starts on names that cannot be used.
func TestPrivilegedRefusals(t *testing.T) {
	tests := map[string]struct {
		prepare func(t *testing.T, n *node)
		want    []string
	}{
		"bridge": {
			prepare: func(t *testing.T, n *node) { n.ip(t, "link add "+n.iface+" type bridge") },
			want:    []string{ErrNotTUN.Error(), "of type bridge", "ip link delete"},
		},
		"TAP": {
			prepare: func(t *testing.T, n *node) { n.ip(t, "tuntap add mode tap "+n.iface) },
			want:    []string{ErrNotTUN.Error(), "of type tap", "ip link delete"},
		},
		"TUN of many queues": {
			prepare: func(t *testing.T, n *node) { n.ip(t, "tuntap add mode tun multi_queue "+n.iface) },
			want:    []string{ErrNotTUN.Error(), "multi-queue tun", "ip link delete"},
		},
		"second instance": {
			prepare: func(t *testing.T, n *node) { n.start(t) },
			want:    []string{ErrInUse.Error(), "PID ", "userspace.test"},
		},
		"socket of another": {
			prepare: func(t *testing.T, n *node) {
				if err := os.MkdirAll("/var/run/wireguard", 0o755); err != nil {
					t.Fatal(err)
				}
				l, err := net.Listen("unix", n.socket())
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { _ = l.Close() })
			},
			want: []string{"UAPI socket", ErrInUse.Error()},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			n := newNode(t)
			test.prepare(t, n)
			before := n.ip(t, "-o -d link show")
			got := n.refused(t)
			for _, want := range test.want {
				if !strings.Contains(got, want) {
					t.Errorf("refusal %q lacks %q", got, want)
				}
			}
			if after := n.ip(t, "-o -d link show"); after != before {
				t.Errorf("the refusal changed links: before\n%safter\n%s", before, after)
			}
		})
	}
}

// TestPrivilegedLeftoverOfOthers attaches to a TUN that was made without the offloads that the device wants.
func TestPrivilegedLeftoverOfOthers(t *testing.T) {
	a, b := newNode(t), newNode(t)
	connect(t, a, "eth0", "192.0.2.1/24", b, "eth0", "192.0.2.2/24")
	a.ip(t, "tuntap add mode tun "+a.iface)
	a.address(t, a.iface, "10.0.0.1/24")
	b.ip(t, "tuntap add mode tun pi "+b.iface)
	b.address(t, b.iface, "10.0.0.2/24")
	a.start(t)
	b.start(t)
	a.setUp(t, b.peer("192.0.2.2", "10.0.0.2"))
	b.setUp(t, a.peer("192.0.2.1", "10.0.0.1"))
	a.transfer(t, b, "10.0.0.2", 16<<20)
}

// TestPrivilegedDeleted deletes the link under the process, which makes it anew.
func TestPrivilegedDeleted(t *testing.T) {
	a, b := pair(t, "v4")
	a.ping(t, 3, "10.0.0.2")
	a.ip(t, "link delete "+a.iface)
	a.ready(t)
	if out := a.ip(t, "-o address show "+a.iface); strings.Contains(out, "10.0.0.1") {
		t.Errorf("this is the old link: %s", out)
	}
	a.address(t, a.iface, "10.0.0.1/24 fd00::1/64")
	a.setUp(t, b.peer("192.0.2.2", "10.0.0.2", "fd00::2"))
	a.ping(t, 10, "10.0.0.2")
}

// TestPrivilegedSocketRemoved removes the UAPI socket: sessions live on, and the socket comes back.
func TestPrivilegedSocketRemoved(t *testing.T) {
	a, _ := pair(t, "v4")
	a.ping(t, 3, "10.0.0.2")
	if err := os.Remove(a.socket()); err != nil {
		t.Fatal(err)
	}
	waitUntil(t, "the socket comes back", func() bool { return answers(a.socket()) })
	a.ping(t, 10, "10.0.0.2")
	if got := a.device(t).ListenPort; got != testPort {
		t.Errorf("port = %d, want %d: this is another device", got, testPort)
	}
}

// TestPrivilegedPortInUse takes the device's port: a client that sets it gets the error, whether the link was up or
// down.
func TestPrivilegedPortInUse(t *testing.T) {
	a, b := pair(t, "v4")
	a.ip(t, "link set "+a.iface+" down")
	var holder net.PacketConn
	waitUntil(t, "the device closes its port with the link", func() bool {
		a.inside(t, func() error {
			holder, _ = net.ListenPacket("udp4", ":51820")
			return nil
		})
		return holder != nil
	})
	a.ip(t, "link set "+a.iface+" up")
	port := testPort
	waitUntil(t, "the device comes up on another port", func() bool {
		got := a.device(t).ListenPort
		return got != port && got != 0
	})
	err := a.configure(t, wgtypes.Config{ListenPort: &port})
	if err == nil || !strings.Contains(err.Error(), "errno=-98") {
		t.Errorf("setting a port in use: %v, want errno=-98", err)
	}
	if err := holder.Close(); err != nil {
		t.Fatal(err)
	}
	a.setUp(t)
	b.reach(t, "10.0.0.1")
	b.ping(t, 10, "10.0.0.1")
}
