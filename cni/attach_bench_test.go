package cni_test

import (
	"context"
	"math"
	"slices"
	"sync"
	"testing"
	"time"

	"warren.mesh/cni/gate"
	"warren.mesh/mesh/meshtest"
)

// A kubelet that starts has all of its pods attached at once. The daemon here answers at once: the difference is what
// the gate itself costs. One pod after another tells it without the contention for processors.
func BenchmarkAttach(b *testing.B) {
	meshtest.Privileged(b)
	for name, gated := range map[string]bool{"open": false, "gate": true} {
		for crowd, at := range map[string]int{"110 at once": 110, "one by one": 1} {
			b.Run(name+"/"+crowd, func(b *testing.B) { benchmarkAttach(b, gated, at) })
		}
	}
}

func benchmarkAttach(b *testing.B, gated bool, atOnce int) {
	const pods = 110
	m := newMachine(b)
	if gated {
		m.withGate(b)
		d := &daemon{known: map[string]gate.Attachment{}}
		d.serve(b, m.configuration)
	}
	var all []pod
	for i := range pods {
		all = append(all, newPod(b, "p"+string(rune('a'+i/26))+string(rune('a'+i%26))).args())
	}
	var took []time.Duration
	for b.Loop() {
		took = append(took, m.attachAll(b, all, atOnce)...)
		b.StopTimer()
		for _, p := range all {
			m.detach(b, p)
		}
		b.StartTimer()
	}
	slices.Sort(took)
	at := func(share float64) float64 {
		return float64(took[int(math.Ceil(share*float64(len(took))))-1].Microseconds()) / 1000
	}
	b.ReportMetric(at(0.5), "ms/p50")
	b.ReportMetric(at(0.99), "ms/p99")
}

// attachAll attaches the pods, so many at once, and returns how long each took.
func (m *machine) attachAll(b *testing.B, pods []pod, atOnce int) []time.Duration {
	b.Helper()
	took, free := make([]time.Duration, len(pods)), make(chan struct{}, atOnce)
	var under sync.WaitGroup
	for i, p := range pods {
		free <- struct{}{}
		under.Go(func() {
			defer func() { <-free }()
			err := m.Do(func() error { // in the machine's namespace, as the plugins are
				begin := time.Now()
				_, err := m.runtime.AddNetworkList(context.Background(), m.list, p.conf)
				took[i] = time.Since(begin)
				return err
			})
			if err != nil {
				b.Errorf("attach %s: %v", p.conf.ContainerID, err)
			}
		})
	}
	under.Wait()
	return took
}
