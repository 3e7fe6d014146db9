package kube

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"warren.mesh/mesh/kube/nodeobject"
)

// BenchmarkMirror measures what stays of 5,000 Nodes as they come off the wire, and what a heartbeat costs then,
// decoding included.
func BenchmarkMirror(b *testing.B) {
	const nodes = 5000
	wire := make([][]byte, nodes)
	for i := range wire {
		wire[i] = marshal(b, i)
	}
	before := heap()
	m := newMirror(nodeobject.Summarize, nodeobject.Parse, func() {})
	for i := range wire {
		if err := m.Add(unmarshal(b, wire[i])); err != nil {
			b.Fatal(err)
		}
	}
	kept := float64(heap()-before) / nodes
	b.ResetTimer()
	for i := range b.N {
		if err := m.Update(unmarshal(b, wire[i%nodes])); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(len(wire[0])), "wire-B/node")
	b.ReportMetric(kept, "kept-B/node")
	runtime.KeepAlive(m)
}

func marshal(b *testing.B, i int) []byte {
	o := nodeA()
	o.Name, o.UID = fmt.Sprintf("node-%d", i), "f3a1c0de-58a5-4d3f-9d35-95d7f3c7a001"
	o.Annotations["warren.mesh/proof"] = proof("a", string(o.UID))
	o.Annotations["warren.mesh/pod-cidrs"] = fmt.Sprintf("10.%d.%d.0/24,fd00:10:%x::/64", i/256, i%256, i)
	o.ManagedFields = []metav1.ManagedFieldsEntry{{
		Manager: "kubelet", Operation: metav1.ManagedFieldsOperationUpdate,
		APIVersion: corev1.SchemeGroupVersion.String(),
		FieldsV1:   &metav1.FieldsV1{Raw: []byte(strings.Repeat(`{"f:status":{}}`, 150))},
	}}
	data, err := o.Marshal()
	if err != nil {
		b.Fatal(err)
	}
	return data
}

func unmarshal(b *testing.B, data []byte) *metav1.PartialObjectMetadata {
	var o metav1.PartialObjectMetadata
	if err := o.Unmarshal(data); err != nil {
		b.Fatal(err)
	}
	return &o
}

// heap is what is in use after a collection, in bytes.
func heap() uint64 {
	var s runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&s)
	return s.HeapAlloc
}
