package lab_test

import (
	"testing"
	"time"

	"warren.mesh/mesh/meshtest"
	"warren.mesh/test/lab"
)

func TestPrivilegedMesh(t *testing.T) {
	meshtest.Privileged(t)
	begin := time.Now()
	l := lab.Start(t, lab.Options{Nodes: 3, Family: lab.Dual})
	t.Logf("started in %v", time.Since(begin))
	capture := l.CapturePlaintext(t)
	l.StartMesh(t)
	t.Logf("meshed in %v", time.Since(begin))
	a, b := l.Node(1).AddPod(t, "a"), l.Node(2).AddPod(t, "b")
	flows := l.FlowsAmong(t, lab.FlowOptions{}, a.Host, b.Host, l.Node(1).Host, l.Node(3).Host)
	flows.WaitEstablished(t)
	for _, to := range b.Addrs() {
		_, err := a.Ping(to)
		t.Log(a.Get(b.Echo(to)))
		t.Log(err)
		t.Log(a.Get(l.Node(2).Echo(to)))
		t.Log(l.Node(3).Get(b.Echo(to)))
		t.Log(a.Get(l.Outside.Echo(to)))
	}
	flows.WantNoLoss(t)
	t.Log(capture.Report())
}
