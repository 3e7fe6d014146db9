package bench

import (
	"fmt"
	"testing"

	"warren.mesh/mesh/meshtest"
	"warren.mesh/test/lab"
)

// rounds are as many as medians are of.
const rounds = 9

// BenchmarkMesh compares the mesh between two nodes with a tunnel made by hand between two hosts that know nothing of
// warren, on the same underlay, with the same kind of device and the same MTU: what warren's guard, rules and routes
// cost, and its own sockets where the device is userspace's. Those hosts are not the nodes, where what is made by hand
// would pass warren's guard too.
//
// It does so again with hosts that track and translate connections, as each node does on which kube-proxy runs, with
// warren or without: what remains is warren's own.
//
// Last, it compares the mesh with the underlay itself: what encryption costs.
//
// A ratio is the median of the rounds' ratios, and more is better: throughput of the mesh to that of the tunnel made by
// hand, round-trip time of the latter to that of the mesh. A first round is left out, in which handshakes are made.
func BenchmarkMesh(b *testing.B) {
	meshtest.Privileged(b)
	l := lab.Start(b, lab.Options{Nodes: 2, Family: lab.Dual})
	l.StartMesh(b)
	mesh := tunnel{from: l.Node(1), to: l.Node(2), link: "warren0"}
	hand := handmade(b, l, mesh)
	proxied := handmade(b, l, mesh)
	proxied.translates(b)
	plain := tunnel{from: hand.from, to: hand.to, link: "eth0"}
	for _, family := range []string{"ipv4", "ipv6"} {
		name := mesh.device(b) + "/" + family
		stream := func(t tunnel) map[string]float64 { return t.stream(b, family) }
		ping := func(t tunnel) map[string]float64 { return t.ping(b, family) }
		b.Run(name+"/tcp", func(b *testing.B) { compare(b, mesh, hand, "byhand", stream, false) })
		b.Run(name+"/ping", func(b *testing.B) { compare(b, mesh, hand, "byhand", ping, true) })
		b.Run(name+"/tcp-proxied", func(b *testing.B) { compare(b, mesh, proxied, "byhand", stream, false) })
		b.Run(name+"/ping-proxied", func(b *testing.B) { compare(b, mesh, proxied, "byhand", ping, true) })
		b.Run(name+"/encryption", func(b *testing.B) { compare(b, mesh, plain, "plain", stream, false) })
	}
}

// compare measures the mesh and the other, which has a name, in turns, of which each begins as often as the other, and
// reports the medians of what measure returns, by unit. Of times, the mesh's ratio is the inverse.
func compare(b *testing.B, mesh, against tunnel, name string, measure func(tunnel) map[string]float64, inverse bool) {
	for b.Loop() {
		measure(mesh)
		measure(against)
		ours, theirs, ratios := map[string][]float64{}, map[string][]float64{}, map[string][]float64{}
		for round := range rounds {
			var one, other map[string]float64
			if round%2 == 0 {
				one = measure(mesh)
				other = measure(against)
			} else {
				other = measure(against)
				one = measure(mesh)
			}
			b.Logf("round %d: mesh %v, %s %v", round, one, name, other)
			for unit := range one {
				ratio := one[unit] / other[unit]
				if inverse {
					ratio = 1 / ratio
				}
				ours[unit], theirs[unit] = append(ours[unit], one[unit]), append(theirs[unit], other[unit])
				ratios[unit] = append(ratios[unit], ratio)
			}
		}
		for unit := range ratios {
			b.ReportMetric(median(ours[unit]), "mesh-"+unit)
			b.ReportMetric(median(theirs[unit]), name+"-"+unit)
			b.ReportMetric(median(ratios[unit]), fmt.Sprintf("ratio-%s", unit))
		}
	}
	b.ReportMetric(0, "ns/op")
}
