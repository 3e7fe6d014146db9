package policies

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"warren.mesh/mesh/policy"
)

// nowhere is a Sink that keeps nothing.
type nowhere struct{}

func (nowhere) SetPod(policy.Pod)             {}
func (nowhere) DeletePod(string, string)      {}
func (nowhere) SetNamespace(policy.Namespace) {}
func (nowhere) DeleteNamespace(string)        {}
func (nowhere) SetPolicy(policy.Policy)       {}
func (nowhere) DeletePolicy(string, string)   {}

// BenchmarkPeers measures what stays of pods as they come off the wire, the peak while the first list is read, and what
// an update costs then, decoding included.
func BenchmarkPeers(b *testing.B) {
	for _, pods := range []int{15_000, 150_000} {
		b.Run(fmt.Sprint(pods), func(b *testing.B) { benchmarkPeers(b, pods) })
	}
}

func benchmarkPeers(b *testing.B, pods int) {
	defer debug.SetGCPercent(debug.SetGCPercent(25))
	wire := wirePodOf(b, 0)
	before := heap()
	m := New("here", nowhere{}, func() {})
	peak, listed := uint64(0), make([]any, 0, pods)
	for i := range pods {
		p, err := decodePod(wirePodOf(b, i))
		if err != nil {
			b.Fatal(err)
		}
		kept, err := m.Peers.Transformer()(p)
		if err != nil {
			b.Fatal(err)
		}
		listed = append(listed, kept)
		if i%1000 == 0 {
			peak = max(peak, inUse())
		}
	}
	if err := m.Peers.Replace(listed, ""); err != nil {
		b.Fatal(err)
	}
	peak = max(peak, inUse())
	kept := heap() - before
	b.ResetTimer()
	b.ReportAllocs()
	for range b.N {
		p, err := decodePod(wire)
		if err != nil {
			b.Fatal(err)
		}
		if err := m.Peers.Update(p); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(len(wire)), "wire-B/pod")
	b.ReportMetric(float64(kept)/1e6, "kept-MB")
	b.ReportMetric(float64(peak-before)/1e6, "peak-MB")
	runtime.KeepAlive(m)
}

// wirePodOf is a Pod of a Deployment with ten replicas, as large as they are.
func wirePodOf(b *testing.B, i int) []byte {
	b.Helper()
	p := edited(func(p *corev1.Pod) {
		p.Namespace = fmt.Sprintf("namespace-%d", i/100)
		p.Name = fmt.Sprintf("application-%d-6d6dfbb6ff-%05d", i/10, i)
		p.UID = types.UID(fmt.Sprintf("f3a1c0de-58a5-4d3f-9d35-%012d", i))
		p.Spec.NodeName = fmt.Sprintf("node-%d", i%5000)
		p.Labels = map[string]string{"app": fmt.Sprint("application-", i/10), "pod-template-hash": "6d6dfbb6ff"}
		p.Status.PodIPs = []corev1.PodIP{{IP: fmt.Sprintf("10.%d.%d.%d", i>>16, i>>8&255, i&255)},
			{IP: fmt.Sprintf("fd00::%x:%x", i>>16, i&65535)}}
		p.ManagedFields = []metav1.ManagedFieldsEntry{{
			Manager: "kubelet", FieldsV1: &metav1.FieldsV1{Raw: []byte(strings.Repeat(`{"f:status":{}}`, 200))},
		}}
	})
	data, err := p.Marshal()
	if err != nil {
		b.Fatal(err)
	}
	return data
}

// heap is what is in use after a collection, in bytes.
func heap() uint64 {
	runtime.GC()
	return inUse()
}

func inUse() uint64 {
	var s runtime.MemStats
	runtime.ReadMemStats(&s)
	return s.HeapAlloc
}
