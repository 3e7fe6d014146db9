package lab_test

import (
	"testing"
	"time"

	"warren.mesh/mesh/meshtest"
	"warren.mesh/test/lab"
)

func TestPrivilegedLab(t *testing.T) {
	meshtest.Privileged(t)
	begin := time.Now()
	l := lab.Start(t, lab.Options{Nodes: 2, Family: lab.Dual})
	t.Logf("started in %v", time.Since(begin))
	a, b := l.Node(1), l.Node(2)
	for _, to := range b.Addrs() {
		if _, err := a.Ping(to); err != nil {
			t.Error(err)
		}
		seen, err := a.Get(b.Echo(to))
		t.Log(seen, err)
		seen, err = a.Probe(b.Echo(to))
		t.Log(seen, err)
	}
	t.Log(a.PodCIDRs(t), b.PodCIDRs(t), time.Since(begin))
	t.Log(l.Kubectl(t, "", "get", "node", "-o", "wide"))
	t.Log(a.MustExec(t, "sh", "-c", "hostname; ip -br a; ip r; ip -6 r; mount | tail -20; ps ax; ls -la /run /var/run"))
}
