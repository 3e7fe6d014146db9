package bench

import (
	"fmt"
	"testing"
	"time"

	"warren.mesh/mesh/meshtest"
	"warren.mesh/test/lab"
	"warren.mesh/test/lab/traffic"
)

// BenchmarkFreshDevice gives a node a fresh device, as after a reboot, while its peers do nothing but send: they
// believe in the sessions that they had with the one before. Reached is when the last flow has arrived again, after the
// start of device and daemon.
func BenchmarkFreshDevice(b *testing.B) {
	meshtest.Privileged(b)
	l := lab.Start(b, lab.Options{Family: lab.Dual})
	seen := l.CapturePlaintext(b)
	l.StartMesh(b)
	node := l.Node(1)
	to := node.AddPod(b, "a").Host
	var flows traffic.Flows
	for _, n := range l.Nodes()[1:] {
		from := n.AddPod(b, "a").Host
		flows = append(flows, l.Flow(b, from, to, traffic.Options{}), l.Flow(b, from, to, traffic.Options{IPv6: true}))
	}
	for b.Loop() {
		var reached []float64
		for range crashes {
			reached = append(reached, float64(renew(b, node, flows))/float64(time.Millisecond))
		}
		b.ReportMetric(median(reached), "reached-ms/median")
		b.ReportMetric(percentile(100, reached), "reached-ms/max")
	}
	b.ReportMetric(0, "ns/op")
	seen.WantNone(b)
}

// renew starts device and daemon of a node that has lost both, and the interface, and gives the time until every flow
// arrives.
func renew(b *testing.B, node *lab.Node, flows traffic.Flows) time.Duration {
	b.Helper()
	flows.WaitEstablished(b)
	node.KillDaemon(b)
	node.KillDevice(b)
	node.MustExec(b, "ip", "link", "delete", "warren0")
	before := make([]int, len(flows))
	for i, f := range flows {
		before[i] = f.Report().Received
	}
	start := time.Now()
	node.StartDevice(b)
	node.StartDaemon(b)
	lab.Wait(b, time.Minute, "every flow to arrive", func() error { return arrive(flows, before) })
	return time.Since(start)
}

// arrive is nil where each flow has received more than before.
func arrive(flows traffic.Flows, before []int) error {
	for i, f := range flows {
		if r := f.Report(); r.Received <= before[i] {
			return fmt.Errorf("%s to %s: %d packets received", r.From, r.To, r.Received)
		}
	}
	return nil
}
