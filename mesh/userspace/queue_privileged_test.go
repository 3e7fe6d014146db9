package userspace

import (
	"net"
	"regexp"
	"strconv"
	"syscall"
	"testing"
)

// TestPrivilegedQueue stops the device's processes for a while, as a host does that is too busy to run them: what is
// sent through the tunnel meanwhile waits, and all of it arrives once they go on.
func TestPrivilegedQueue(t *testing.T) {
	t.Run("new interface", func(t *testing.T) {
		a, b := pair(t, "v4")
		a.queues(t, b)
	})
	t.Run("interface of an earlier version", func(t *testing.T) {
		a, b := pair(t, "v4")
		a.ip(t, "link set "+a.iface+" txqueuelen 500")
		_ = a.stop(t, syscall.SIGKILL)
		a.start(t)
		a.setUp(t, b.peer("192.0.2.2", "10.0.0.2"))
		a.queues(t, b)
	})
}

func (n *node) queues(t *testing.T, to *node) {
	t.Helper()
	const packets = 1900
	n.ping(t, 1, "10.0.0.2")
	to.run(t, "nft", "table inet count { chain in { type filter hook input priority 0; udp dport 9 counter drop; }; }")
	processes := []int{n.cmd.Process.Pid, n.driver(t)}
	tell(t, syscall.SIGSTOP, processes...)
	n.inside(t, func() error { return send("10.0.0.2:9", packets) })
	tell(t, syscall.SIGCONT, processes...)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("%d of %d packets have arrived: %s", carried(t, to), packets, n.ip(t, "-s link show "+n.iface))
		}
	})
	waitUntil(t, "all packets arrive", func() bool { return carried(t, to) == packets })
}

// tell sends a signal to processes.
func tell(t *testing.T, s syscall.Signal, pids ...int) {
	t.Helper()
	for _, pid := range pids {
		if err := syscall.Kill(pid, s); err != nil {
			t.Fatal(err)
		}
	}
}

// send sends datagrams of one byte.
func send(to string, count int) error {
	conn, err := net.Dial("udp", to)
	if err != nil {
		return err
	}
	defer conn.Close()
	for range count {
		if _, err := conn.Write([]byte{0}); err != nil {
			return err
		}
	}
	return nil
}

// carried returns the number of bytes in the datagrams over IPv4 that the only counter of the namespace has counted.
// It counts as one packet what the device gives the kernel as one, which is many datagrams with one header.
func carried(t *testing.T, n *node) int {
	t.Helper()
	out := n.run(t, "nft", "list", "ruleset")
	m := regexp.MustCompile(`counter packets (\d+) bytes (\d+)`).FindStringSubmatch(out)
	if m == nil {
		t.Fatalf("no counter: %s", out)
	}
	packets, _ := strconv.Atoi(m[1])
	bytes, _ := strconv.Atoi(m[2])
	const headers = 20 + 8
	return bytes - packets*headers
}
