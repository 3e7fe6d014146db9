package bench

import (
	"context"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"warren.mesh/mesh/meshtest"
	"warren.mesh/test/lab"
	"warren.mesh/test/lab/host"
	"warren.mesh/test/lab/traffic"
)

const (
	// floodRate is of the flood, in packets per second, floodSize the payload of each, in bytes, and segments how many
	// of them one call sends.
	floodRate = 400_000
	floodSize = 64
	segments  = 50
	// bystanders is how many packets each flow sends meanwhile, at least.
	bystanders = 4_000
)

// BenchmarkDeviceFlood counts what flows of 1,000 packets per second between two nodes lose while 400 times as many
// enter the userspace device of one of them and never come out: it drops them, and does not say so. A pod there sends
// to a node that does not answer, or a stranger on the underlay sends what looks like WireGuard's data.
func BenchmarkDeviceFlood(b *testing.B) {
	meshtest.Privileged(b)
	l := lab.Start(b, lab.Options{Nodes: 3})
	l.StartMesh(b)
	node, gone, stranger := l.Node(1), l.Node(3), l.AddNode(b, lab.NodeOptions{})
	here, there := node.AddPod(b, "a").Host, l.Node(2).AddPod(b, "b").Host
	from, to := node.AddPod(b, "c").Host, gone.AddPod(b, "d").Host
	gone.KillDaemon(b)
	gone.KillDevice(b)
	// A fresh device has no session with it.
	node.StopDevice(b)
	node.StartDevice(b)
	node.WaitReady(b)
	measure := func(b *testing.B, from *host.Host, to netip.AddrPort) {
		start := func() traffic.Flows { return l.FlowsAmong(b, traffic.Options{Rate: rate}, here, there) }
		measureFlood(b, start, dial(b, from, to))
		b.ReportMetric(megabytes(node.DevicePeak(b)), "peak-MB")
	}
	b.Run("no-session", func(b *testing.B) { measure(b, from, netip.AddrPortFrom(to.Addrs()[0], traffic.FlowPort)) })
	b.Run("forged", func(b *testing.B) { measure(b, stranger.Host, netip.AddrPortFrom(node.Addrs()[0], 51820)) })
}

// dial returns a socket that sends in segments.
func dial(b *testing.B, from *host.Host, to netip.AddrPort) syscall.RawConn {
	b.Helper()
	conn, err := from.Dial(b.Context(), "udp", to.String())
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { conn.Close() })
	raw, err := conn.(syscall.Conn).SyscallConn()
	if err != nil {
		b.Fatal(err)
	}
	var failed error
	err = raw.Control(func(fd uintptr) {
		failed = unix.SetsockoptInt(int(fd), unix.IPPROTO_UDP, unix.UDP_SEGMENT,
			floodSize)
	})
	if err != nil || failed != nil {
		b.Fatalf("set UDP_SEGMENT: %v, %v", err, failed)
	}
	return raw
}

func measureFlood(b *testing.B, start func() traffic.Flows, to syscall.RawConn) {
	for b.Loop() {
		flows := start()
		flows.WaitEstablished(b)
		// Should this end early, so does the flood.
		ctx, cancel := context.WithTimeout(b.Context(), time.Minute)
		flooded := make(chan int, 1)
		begin := time.Now()
		go func() { flooded <- flood(ctx, to) }()
		sent(b, flows, bystanders)
		cancel()
		n, took := <-flooded, time.Since(begin)
		lost := 0
		for _, r := range flows.Stop() {
			b.Log(r)
			lost += r.Lost
		}
		b.ReportMetric(float64(n)/took.Seconds(), "flood-packets/s")
		b.ReportMetric(float64(lost), "lost")
	}
	b.ReportMetric(0, "ns/op")
}

// flood sends until ctx is done, and returns how many packets. Those that the sender's own kernel does not take count
// as well.
func flood(ctx context.Context, to syscall.RawConn) (n int) {
	// Each begins as WireGuard's data does (type 4, and three bytes 0).
	data := make([]byte, floodSize*segments)
	for i := range segments {
		data[floodSize*i] = 4
	}
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for begin := time.Now(); ; {
		select {
		case <-ctx.Done():
			return n
		case <-tick.C:
		}
		for due := int(time.Since(begin).Seconds() * floodRate); n < due; n += segments {
			_ = to.Write(func(fd uintptr) bool {
				_, _ = unix.Write(int(fd), data) // Refused where the peer has none to answer: it is a flood.
				return true
			})
		}
	}
}
