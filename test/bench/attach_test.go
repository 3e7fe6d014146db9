package bench

import (
	"fmt"
	"testing"
	"time"

	"warren.mesh/mesh/meshtest"
	"warren.mesh/test/lab"
)

// attached is how many pods each node gets.
const attached = 100

// BenchmarkAttachPod compares a pod's attachment, by CNI's ADD and all its plugins, on a node that keeps
// NetworkPolicies with one on a node that does not, one pod after another, in turns: with the daemon's part in it,
// which has been told of the pod before.
func BenchmarkAttachPod(b *testing.B) {
	meshtest.Privileged(b)
	l := lab.Start(b, lab.Options{Nodes: 2, Family: lab.Dual})
	for i, policies := range []string{"on", "off"} {
		l.Node(i + 1).StartDevice(b)
		l.Node(i+1).StartDaemon(b, "--network-policy="+policies)
	}
	l.WaitMeshed(b)
	for b.Loop() {
		var took [2][]float64
		for i := range attached {
			for turn := range 2 {
				n := (i + turn) % 2
				p := l.Node(n+1).Schedule(b, lab.PodOptions{Name: fmt.Sprint("p", i)})
				begin := time.Now()
				if err := p.TryStart(b.Context()); err != nil {
					b.Fatal(err)
				}
				took[n] = append(took[n], milliseconds(time.Since(begin)))
			}
		}
		for _, p := range []int{50, 99} {
			on, off := percentile(p, took[0]), percentile(p, took[1])
			b.ReportMetric(on, fmt.Sprintf("gate-ms/p%d", p))
			b.ReportMetric(off, fmt.Sprintf("open-ms/p%d", p))
			b.ReportMetric(on-off, fmt.Sprintf("difference-ms/p%d", p))
		}
	}
	b.ReportMetric(0, "ns/op")
}
