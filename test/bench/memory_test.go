package bench

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"warren.mesh/mesh/meshtest"
	"warren.mesh/test/lab"
	"warren.mesh/test/lab/host"
)

const (
	// loads are how many measurements the median is of, and loadTime how long one takes.
	loads    = 5
	loadTime = 3 * time.Second
)

// BenchmarkDeviceMemory loads a userspace device with TCP, as much as goes through, and tells the most memory that its
// process ever had: of the node that sends and of the one that receives. Each load is of fresh processes.
func BenchmarkDeviceMemory(b *testing.B) {
	meshtest.Privileged(b)
	l := lab.Start(b, lab.Options{Nodes: 2})
	for _, n := range l.Nodes() { // Userspace, whatever the kernel has.
		n.StartDevice(b, "--wireguard=userspace")
		n.StartDaemon(b, "--wireguard=userspace")
	}
	l.WaitMeshed(b)
	from, to := l.Node(1).AddPod(b, "a").Host, l.Node(2).AddPod(b, "a").Host
	for _, streams := range []int{1, 8} {
		b.Run(fmt.Sprintf("streams=%d", streams), func(b *testing.B) { measureMemory(b, l, from, to, streams) })
	}
}

func measureMemory(b *testing.B, l *lab.Lab, from, to *host.Host, streams int) {
	for b.Loop() {
		var sender, receiver, throughput []float64
		for range loads {
			for _, n := range l.Nodes() {
				n.StopDevice(b)
				n.StartDevice(b, "--wireguard=userspace")
			}
			l.WaitMeshed(b)
			throughput = append(throughput, load(b, from, to, streams))
			sender = append(sender, megabytes(l.Node(1).DevicePeak(b)))
			receiver = append(receiver, megabytes(l.Node(2).DevicePeak(b)))
		}
		b.ReportMetric(median(sender), "sender-MB/median")
		b.ReportMetric(median(receiver), "receiver-MB/median")
		b.ReportMetric(percentile(100, receiver), "receiver-MB/max")
		b.ReportMetric(median(throughput), "Mbit/s/median")
	}
	b.ReportMetric(0, "ns/op")
}

func megabytes(n int) float64 { return float64(n) / (1 << 20) }

// load sends for loadTime over several connections, and returns what arrived, in Mbit/s.
func load(b *testing.B, from, to *host.Host, streams int) float64 {
	b.Helper()
	at := netip.AddrPortFrom(to.Addrs()[0], 0).String()
	listener := to.Listen(b, "tcp", at)
	defer listener.Close()
	end := time.Now().Add(loadTime)
	var all sync.WaitGroup
	errs, arrived := make([]error, 2*streams), make([]int64, streams)
	for i := range streams {
		client, err := from.Dial(b.Context(), "tcp", listener.Addr().String())
		if err != nil {
			b.Fatal(err)
		}
		server, err := listener.Accept()
		if err != nil {
			b.Fatal(err)
		}
		all.Go(func() { errs[2*i] = fill(client, end) })
		all.Go(func() { arrived[i], errs[2*i+1] = drain(server) })
	}
	all.Wait()
	if err := errors.Join(errs...); err != nil {
		b.Fatal(err)
	}
	total := int64(0)
	for _, n := range arrived {
		total += n
	}
	return float64(8*total) / loadTime.Seconds() / 1e6
}

func fill(c net.Conn, end time.Time) error {
	defer c.Close()
	for chunk := make([]byte, 1<<16); time.Now().Before(end); {
		if _, err := c.Write(chunk); err != nil {
			return err
		}
	}
	return nil
}

func drain(c net.Conn) (int64, error) {
	defer c.Close()
	return io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{c}, make([]byte, 1<<17))
}
