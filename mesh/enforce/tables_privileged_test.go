package enforce

import (
	"context"
	"testing"

	"warren.mesh/cni/gate"
	"warren.mesh/mesh"
	"warren.mesh/mesh/linux/walls"
	"warren.mesh/mesh/meshtest"
	"warren.mesh/mesh/policy"
	"warren.mesh/mesh/status"
	"warren.mesh/test/lab/namespace"
)

// onKernel is a daemon on the kernel's tables, whose passes the test makes: they belong to its namespace.
func onKernel(t *testing.T, r Records, pods ...policy.Pod) *Enforcer {
	t.Helper()
	tables, err := walls.Open("warren-br0", func(string) {})
	if err != nil {
		t.Fatal(err)
	}
	e := New(Config{
		Node: "node-a", Cluster: &cluster{synced: true, nodes: []mesh.Node{node("node-a", 1)}},
		Host: tables, Index: policy.NewIndex(), Records: r,
		Status: status.NewBoard(status.Snapshot{}, func(status.Snapshot, status.Snapshot) {}),
	})
	e.SetNamespace(policy.Namespace{Name: "shop"})
	for _, p := range pods {
		e.SetPod(p)
		e.SetPolicy(isolating(p.Name))
	}
	passes(t, e)
	return e
}

func passes(t *testing.T, e *Enforcer) {
	t.Helper()
	if next := e.work(context.Background(), false); next.Failed {
		t.Fatalf("a pass failed: %v", e.cfg.Status.Snapshot().Enforcement.Conditions)
	}
}

// With the kernel's own tables: edits bring them where a daemon that starts again wants them, so that it writes
// nothing; what others delete is put right.
func TestPrivilegedTables(t *testing.T) {
	meshtest.Privileged(t)
	namespace.Enter(t)
	namespace.Run(t, "ip link add warren-br0 address 02:00:00:00:00:01 type bridge")
	r := &records{all: map[gate.Key]gate.Attachment{}}
	web, db := pod("web", "1"), pod("db", "2")
	e := onKernel(t, r, web, db)
	wantEdits := func(when string, want uint64) {
		t.Helper()
		if got := e.cfg.Status.Snapshot().Enforcement.Edits; got != want {
			t.Errorf("%s: %d writes, want %d", when, got, want)
		}
	}
	attach(t, e, attachmentOf(web, "a", 2))
	attach(t, e, attachmentOf(db, "b", 3))
	wantEdits("the tables and two pods", 3)
	e = onKernel(t, r, web, db)
	wantEdits("a restart", 0)
	namespace.Run(t, "nft delete table inet warren-policy")
	e.contradicted()
	passes(t, e)
	wantEdits("somebody has deleted a table", 1)
	e = onKernel(t, r, web, db)
	wantEdits("another restart", 0)
}

// attach makes an attachment beside the passes.
func attach(t *testing.T, e *Enforcer, a gate.Attachment) {
	t.Helper()
	ended := make(chan error)
	go func() { ended <- e.Attach(context.Background(), a) }()
	for {
		select {
		case err := <-ended:
			if err != nil {
				t.Fatal(err)
			}
			return
		default:
			passes(t, e)
		}
	}
}
