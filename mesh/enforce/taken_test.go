package enforce

import (
	"context"
	"errors"
	"testing"

	"warren.mesh/cni/gate"
)

// A node whose run directory was deleted has lost the reservations of addresses: a new pod does not get the address of
// one that runs, although the newer attachment counts otherwise, and that one stays attached.
func TestAddressOfARunningPodIsRefused(t *testing.T) {
	simulate(t, func(w *world) {
		web, fresh := pod("web", "1"), pod("new", "2")
		w.tell = func(e *Enforcer) { e.SetPod(web); e.SetPod(fresh) }
		w.start()
		a, b := attachmentOf(web, "a", 2), attachmentOf(fresh, "b", 2)
		w.added(a)
		w.kernel.plug("vetha")
		w.stop()
		w.records.all = map[gate.Key]gate.Attachment{}
		w.adopt = []gate.Attachment{a}
		w.start()
		w.kernel.plug("vetha", "vethb")
		_, err := w.add(b)
		wantError(t, err, "pod shop/new is held closed", "10.244.1.2", "the pod shop/web, which runs on this node")
		if w.reserved != 1 {
			t.Errorf("reserved what was lost %d times, want once", w.reserved)
		}
		w.detached("b") // as the runtime does after a failure
		if err := w.Check(context.Background(), a); err != nil {
			t.Error(err)
		}
		w.wantIdentities("10.244.1.2", "vetha")
		w.wantRecords("a")
		w.unreserved = errors.New("no space left on device")
		_, err = w.add(b)
		wantError(t, err, "which runs on this node", "no space left on device")
		w.kernel.plug("vethb") // web has ended, and nobody has detached it
		w.added(b)
		w.wantIdentities("10.244.1.2", "vethb")
		w.wantRecords("b")
	})
}
