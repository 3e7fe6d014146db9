package bench

import (
	"fmt"
	"testing"
	"time"

	"warren.mesh/mesh/meshtest"
	"warren.mesh/test/lab"
	"warren.mesh/test/lab/traffic"
)

const (
	// rate is of each flow, in packets per second.
	rate = 1000
	// crashes are as many as the median and the maximum are of.
	crashes = 20
	// between is how many packets each flow sends after a crash: a second and a half, after which no restart is
	// delayed.
	between = 1500
)

// BenchmarkDeviceCrash kills the userspace device, with SIGKILL, under two flows of 1,000 packets per second, one each
// way: its own process, and its whole container, which is started again at once (a kubelet takes seconds to do so, and
// longer each time). Dark is the longest time without an arrival of the flow that fared worse.
func BenchmarkDeviceCrash(b *testing.B) {
	meshtest.Privileged(b)
	l := lab.Start(b, lab.Options{Nodes: 2})
	seen := l.CapturePlaintext(b)
	l.StartMesh(b)
	here, there := l.Node(1).AddPod(b, "a").Host, l.Node(2).AddPod(b, "a").Host
	flows := l.FlowsAmong(b, traffic.Options{Rate: rate}, here, there)
	for _, way := range []struct {
		name  string
		crash func(*lab.Node)
	}{
		{"process", func(n *lab.Node) { n.CrashDevice(b) }},
		{"container", func(n *lab.Node) { n.KillDevice(b); n.StartDevice(b) }},
	} {
		b.Run(way.name, func(b *testing.B) { measureDark(b, flows, func() { way.crash(l.Node(1)) }) })
	}
	l.Node(1).KillDaemon(b)
	b.Run("process-without-daemon", func(b *testing.B) { measureDark(b, flows, func() { l.Node(1).CrashDevice(b) }) })
	b.Run("container-without-daemon", func(b *testing.B) {
		measureDark(b, flows, func() { l.Node(1).KillDevice(b); l.Node(1).StartDevice(b) })
	})
	seen.WantNone(b)
}

func measureDark(b *testing.B, flows traffic.Flows, crash func()) {
	for b.Loop() {
		var dark []float64
		var lost []int
		for range crashes {
			d, n := darkness(b, flows, crash)
			dark, lost = append(dark, float64(d)/float64(time.Millisecond)), append(lost, n)
		}
		b.ReportMetric(median(dark), "dark-ms/median")
		b.ReportMetric(percentile(100, dark), "dark-ms/max")
		b.ReportMetric(float64(median(lost)), "lost/median")
	}
	b.ReportMetric(0, "ns/op")
}

// darkness is how long the worse flow was without an arrival, and how many packets both lost.
func darkness(b *testing.B, flows traffic.Flows, crash func()) (dark time.Duration, lost int) {
	b.Helper()
	flows.WaitEstablished(b)
	sent(b, flows, rate/10)
	crash()
	sent(b, flows, between)
	for _, f := range flows {
		r := f.Report()
		dark, lost = max(dark, r.LongestGap), lost+r.Lost
	}
	return dark, lost
}

// sent waits until each flow has sent so many packets more.
func sent(b *testing.B, flows traffic.Flows, packets int) {
	b.Helper()
	for _, f := range flows {
		enough := f.Report().Sent + packets
		lab.Wait(b, time.Minute, "packets to be sent", func() error {
			if n := f.Report().Sent; n < enough {
				return fmt.Errorf("%d of %d", n, enough)
			}
			return nil
		})
	}
}
