package policy

import (
	"fmt"
	"net/netip"
	"runtime"
	"testing"
)

// crowd is a cluster of 250 nodes, with pods of 100 namespaces and policies of them. The first node is this one and has
// 110 pods; the policies name pods by their labels, half of them of other namespaces.
func crowd(pods, policies int) Input {
	in := Input{Self: "node0"}
	for n := range 250 {
		in.Nodes = append(in.Nodes, Node{
			Name: fmt.Sprintf("node%d", n), InternalIPs: []netip.Addr{netip.AddrFrom4([4]byte{192, 0, 2, byte(n)})},
			Gateways: []netip.Addr{crowdIP(n, 1)}, PodCIDRs: []netip.Prefix{netip.PrefixFrom(crowdIP(n, 0), 20)},
		})
	}
	for n := range 100 {
		name := fmt.Sprintf("team%d", n)
		in.Namespaces = append(in.Namespaces, Namespace{name, labelled("team="+name, fmt.Sprintf("tier=%d", n%5))})
	}
	for i := range pods {
		p := crowdPod(i)
		in.Pods = append(in.Pods, p)
		if p.Node == "node0" && len(in.Attached) < 110 {
			in.Attached = append(in.Attached, Attached{p.Namespace, p.Name, p.UID, p.Addrs})
		}
	}
	for i := range policies {
		namespace := fmt.Sprintf("team%d", i%100)
		peers := rule(podsWith(fmt.Sprintf("app=app%d", i%40)))
		if i%3 == 2 {
			peers = rule(
				namespacesWith(fmt.Sprintf("tier=%d", i/2%5)),
				namespacesWith(fmt.Sprintf("team=team%d", i/7%100)),
			)
		}
		p := ingress(
			fmt.Sprintf("policy%d", i),
			with(fmt.Sprintf("app=app%d", i/100%40)),
			peers.on(Port{TCP, "", 80, 0}),
		)
		p.Namespace = namespace
		in.Policies = append(in.Policies, p)
	}
	return in
}

func crowdIP(node, n int) netip.Addr {
	return netip.AddrFrom4([4]byte{10, byte(node), byte(n >> 8), byte(n)})
}

func crowdPod(i int) Pod {
	return Pod{
		Namespace: fmt.Sprintf("team%d", i/250%100), Name: fmt.Sprintf("app%d-7d9c5b8f4-x%05d", i%40, i),
		UID: fmt.Sprintf("6f2d2a0e-6b1c-4d5e-9a53-%012d", i), Node: fmt.Sprintf("node%d", i%250),
		Labels: labelled(fmt.Sprintf("app=app%d", i%40), "pod-template-hash=7d9c5b8f4"),
		Addrs:  []netip.Addr{crowdIP(i%250, 2+i/250)}, Ports: []NamedPort{{"http", TCP, 8080}},
	}
}

// BenchmarkCommit is what one pod's event costs, from the event to the edit.
func BenchmarkCommit(b *testing.B) {
	type size struct{ pods, policies int }
	for _, size := range []size{{2_500, 110}, {2_500, 5_000}, {150_000, 110}, {150_000, 5_000}} {
		b.Run(fmt.Sprintf("%dpods/%dpolicies", size.pods, size.policies), func(b *testing.B) {
			ix := indexOf(crowd(size.pods, size.policies))
			p, other := relabelled(b, ix, size.pods)
			b.ReportAllocs()
			elements := 0
			for b.Loop() {
				p, other = other, p
				ix.SetPod(p)
				edit := ix.Commit()
				elements += len(edit.Add) + len(edit.Remove)
			}
			b.ReportMetric(float64(elements)/float64(b.N), "elements/op")
		})
	}
}

// relabelled returns a remote pod as it is and with another label that makes it another peer.
func relabelled(b *testing.B, ix *Index, pods int) (p, other Pod) {
	b.Helper()
	for i := range pods {
		p, other = crowdPod(i), crowdPod(i)
		other.Labels = labelled("app=other")
		ix.SetPod(other)
		if edit := ix.Commit(); len(edit.Remove) > 0 && p.Node != "node0" {
			return p, other
		}
		ix.SetPod(p)
		ix.Commit()
	}
	b.Fatal("no policy names a remote pod by its label")
	return p, other
}

// BenchmarkCommitNamespace relabels a namespace of 1,000 pods.
func BenchmarkCommitNamespace(b *testing.B) {
	in := crowd(100_000, 5_000)
	ix := indexOf(in)
	n := Namespace{"team7", labelled("team=team7", "tier=0")}
	other := Namespace{"team7", labelled("team=team7", "tier=1")}
	b.ReportAllocs()
	for b.Loop() {
		n, other = other, n
		ix.SetNamespace(n)
		ix.Commit()
	}
}

// BenchmarkState is the whole table at once, as after a restart.
func BenchmarkState(b *testing.B) {
	ix := indexOf(crowd(150_000, 5_000))
	b.ReportAllocs()
	for b.Loop() {
		ix.State()
	}
}

// BenchmarkMemory is what an Index of 150,000 pods holds.
func BenchmarkMemory(b *testing.B) {
	for b.Loop() {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		ix := indexOf(crowd(150_000, 5_000))
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/1e6, "MB")
		runtime.KeepAlive(ix)
	}
}
