package enforce

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"warren.mesh/cni/gate"
)

func (w *world) wantRecords(want ...string) {
	w.t.Helper()
	if diff := cmp.Diff(want, w.records.containers()); diff != "" {
		w.t.Errorf("records (-want +got):\n%s", diff)
	}
}

// wantForgotten fails the test unless exactly the connections of these addresses have been deleted.
func (w *world) wantForgotten(want ...netip.Addr) {
	w.t.Helper()
	w.kernel.set(func(k *kernel) {
		if !slices.Equal(k.forgotten, want) {
			w.t.Errorf("connections of %v are deleted, want those of %v", k.forgotten, want)
		}
	})
}

func wantError(t *testing.T, err error, parts ...string) {
	t.Helper()
	if err == nil {
		t.Errorf("no error, want one with %q", parts)
		return
	}
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q does not say %q", err, part)
		}
	}
}

// A pod is attached at once where everything is known, and its port, address and policies are in the kernel then.
func TestAttach(t *testing.T) {
	simulate(t, func(w *world) {
		w.start()
		web := pod("web", "1")
		w.SetPolicy(isolating("web"))
		w.SetPod(web)
		w.added(attachmentOf(web, "a", 2))
		w.wantIdentities("10.244.1.2", "vetha")
		w.wantRecords("a")
		w.detached("a")
		w.wantIdentities()
		w.wantRecords()
	})
}

// ADD returns as soon as the labels are known, and not before.
func TestAttachWaitsForLabels(t *testing.T) {
	simulate(t, func(w *world) {
		w.start()
		web := pod("web", "1")
		time.AfterFunc(3*time.Second, func() { w.SetPod(web) })
		if took, err := w.add(attachmentOf(web, "a", 2)); err != nil || took != 3*time.Second {
			t.Errorf("%v after %v", err, took)
		}
		w.wantIdentities("10.244.1.2", "vetha")
	})
}

// ADD gives up after ten seconds, says what is missing and leaves nothing; the next one has another container.
func TestAttachTimesOutAndIsRetried(t *testing.T) {
	simulate(t, func(w *world) {
		w.start()
		web := pod("web", "1")
		took, err := w.add(attachmentOf(web, "a", 2))
		wantError(t, err, "pod shop/web is held closed: the pod shop/web is not known to this node yet")
		if took != attachTimeout {
			t.Errorf("after %v", took)
		}
		w.wantIdentities()
		w.wantRecords()
		w.SetPod(web)
		w.detached("a") // as the runtime does after a failure
		w.added(attachmentOf(web, "b", 2))
		w.wantIdentities("10.244.1.2", "vethb")
		w.wantRecords("b")
	})
}

func TestAttachNamesTheNamespace(t *testing.T) {
	simulate(t, func(w *world) {
		w.start()
		p := pod("web", "1")
		p.Namespace = "new"
		w.SetPod(p)
		_, err := w.add(attachmentOf(p, "a", 2))
		wantError(t, err, "the namespace new is not known to this node yet")
	})
}

// No identity outlives its pod: DEL returns when it is gone, and who gets the address next has its own.
func TestIdentityEndsBeforeItsAddressIsFree(t *testing.T) {
	simulate(t, func(w *world) {
		w.start()
		web, db := pod("web", "1"), pod("db", "2")
		w.SetPod(web)
		w.SetPod(db)
		w.SetPolicy(isolating("db"))
		w.added(attachmentOf(web, "a", 2))
		release := make(chan struct{})
		w.kernel.set(func(k *kernel) { k.held = release })
		time.AfterFunc(time.Second, func() {
			w.kernel.set(func(k *kernel) { k.held = nil })
			close(release)
		})
		start := time.Now()
		if err := w.Detach(context.Background(), "a", "eth0"); err != nil || time.Since(start) != time.Second {
			t.Errorf("DEL: %v after %v, while the kernel takes a second", err, time.Since(start))
		}
		w.wantForgotten(addr(2))
		w.added(attachmentOf(db, "b", 2))
		w.wantIdentities("10.244.1.2", "vethb")
	})
}

// A runtime that has lost a DEL gives the address to another pod: the newer attachment counts, and the older one's late
// DEL does not harm it.
func TestNewerAttachmentCounts(t *testing.T) {
	simulate(t, func(w *world) {
		w.start()
		web, db := pod("web", "1"), pod("db", "2")
		w.SetPod(web)
		w.SetPod(db)
		w.added(attachmentOf(web, "a", 2), attachmentOf(db, "b", 2))
		w.wantIdentities("10.244.1.2", "vethb")
		w.wantRecords("b")
		w.detached("a")
		w.wantIdentities("10.244.1.2", "vethb")
		w.wantRecords("b")
	})
}

// Of a pod that has lost one of its addresses to a newer one, only the connections of the others end with it.
func TestForgetsWhatIsFree(t *testing.T) {
	simulate(t, func(w *world) {
		w.start()
		web, db := pod("web", "1"), pod("db", "2")
		w.SetPod(web)
		w.SetPod(db)
		both := attachmentOf(web, "a", 2)
		both.Addrs = append(both.Addrs, netip.MustParseAddr("fd00::2"))
		w.added(both, attachmentOf(db, "b", 2))
		w.detached("a")
		w.wantForgotten(both.Addrs[1])
	})
}

// A pod that ended while no daemon ran, and so has a tombstone, takes its connections along when the next daemon
// detaches it; those of an address that another pod has stay.
func TestForgetsOneThatEndedMeanwhile(t *testing.T) {
	simulate(t, func(w *world) {
		web, db := pod("web", "1"), pod("db", "2")
		w.tell = func(e *Enforcer) { e.SetPod(web); e.SetPod(db) }
		w.start()
		both := attachmentOf(web, "a", 2)
		both.Addrs = append(both.Addrs, netip.MustParseAddr("fd00::2"))
		w.added(both, attachmentOf(db, "b", 3))
		w.stop()
		w.records.buried = []gate.Key{both.Key()}
		w.records.all[gate.Key{Container: "c", Interface: "eth0"}] = attachmentOf(pod("api", "3"), "c", 2)
		w.start()
		w.detached("a")
		w.wantForgotten(both.Addrs[1])
		w.wantRecords("b", "c")
	})
}

// A DEL that failed half way takes the connections along when it is repeated.
func TestForgetsWhenDetachIsRepeated(t *testing.T) {
	simulate(t, func(w *world) {
		w.start()
		web := pod("web", "1")
		w.SetPod(web)
		w.added(attachmentOf(web, "a", 2))
		w.kernel.set(func(k *kernel) { k.fail = errors.New("nft: busy") })
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		wantError(t, w.Detach(ctx, "a", "eth0"), "its identity is still in force")
		w.wantForgotten()
		w.kernel.set(func(k *kernel) { k.fail = nil })
		if err := w.Detach(context.Background(), "a", "eth0"); err != nil {
			t.Error(err)
		}
		w.wantForgotten(addr(2))
	})
}

// A StatefulSet makes a pod of the same name: the new one waits for its own labels, the old one's do not do.
func TestSameNameWithNewUID(t *testing.T) {
	simulate(t, func(w *world) {
		w.start()
		older, newer := pod("web-0", "1"), pod("web-0", "2")
		w.SetPod(older)
		w.added(attachmentOf(older, "a", 2))
		time.AfterFunc(2*time.Second, func() { w.SetPod(newer) })
		if took, err := w.add(attachmentOf(newer, "b", 3)); err != nil || took != 2*time.Second {
			t.Errorf("%v after %v", err, took)
		}
		w.wantIdentities("10.244.1.3", "vethb")
		w.detached("a")
		w.wantIdentities("10.244.1.3", "vethb")
		_, err := w.add(attachmentOf(pod("web-0", "3"), "c", 4))
		wantError(t, err, "is known to this node with the UID 2, not yet 3")
	})
}

// Some runtimes tell no UID: the pod of that name is meant.
func TestAttachWithoutUID(t *testing.T) {
	simulate(t, func(w *world) {
		w.start()
		web := pod("web", "1")
		w.SetPod(web)
		a := attachmentOf(web, "a", 2)
		a.UID = ""
		w.added(a)
		w.wantIdentities("10.244.1.2", "vetha")
		w.SetPod(pod("web", "2"))
		time.Sleep(time.Second)
		w.wantIdentities("10.244.1.2", "vetha")
	})
}

// Two interfaces of one container are both the pod's; of two containers the newer one is.
func TestTwoAttachmentsOfOnePod(t *testing.T) {
	simulate(t, func(w *world) {
		w.start()
		web := pod("web", "1")
		w.SetPod(web)
		first, second := attachmentOf(web, "a", 2), attachmentOf(web, "a", 3)
		second.Interface, second.Port = "net1", "vethnet1"
		w.added(first, second)
		w.wantIdentities("10.244.1.2", "10.244.1.3", "vetha", "vethnet1")
		w.added(attachmentOf(web, "b", 4))
		w.wantIdentities("10.244.1.4", "vethb")
		w.wantRecords("b")
		w.detached("b")
		w.wantIdentities() // what was replaced does not return
	})
}

func TestDetachOfTheUnknown(t *testing.T) {
	simulate(t, func(w *world) {
		w.start()
		before, _ := w.kernel.counts()
		w.detached("never")
		w.detached("never")
		if after, _ := w.kernel.counts(); after != before {
			t.Errorf("%d writes", after-before)
		}
	})
}

func TestAttachThatCannotBeRecordedFails(t *testing.T) {
	simulate(t, func(w *world) {
		w.start()
		web := pod("web", "1")
		w.SetPod(web)
		w.records.fail = errors.New("no space left on device")
		_, err := w.add(attachmentOf(web, "a", 2))
		wantError(t, err, "no space left on device")
		w.wantIdentities()
	})
}

func TestCheck(t *testing.T) {
	simulate(t, func(w *world) {
		w.start()
		web := pod("web", "1")
		w.SetPod(web)
		a := attachmentOf(web, "a", 2)
		check := func(a gate.Attachment) error { return w.Check(context.Background(), a) }
		wantError(t, check(a), "it is not known")
		w.added(a)
		if err := check(a); err != nil {
			t.Error(err)
		}
		other := a
		other.MAC = "02:00:00:00:00:99"
		wantError(t, check(other), "hardware address 02:00:00:00:00:02")
		w.DeletePod("shop", "web")
		time.Sleep(time.Second)
		wantError(t, check(a), "the pod shop/web is not known")
	})
}

// GC takes what no sandbox has, and leaves what is just being attached.
func TestKeep(t *testing.T) {
	simulate(t, func(w *world) {
		w.start()
		web, db, late := pod("web", "1"), pod("db", "2"), pod("late", "3")
		w.SetPod(web)
		w.SetPod(db)
		w.added(attachmentOf(web, "a", 2), attachmentOf(db, "b", 3))
		ended := make(chan error)
		go func() { ended <- w.Attach(context.Background(), attachmentOf(late, "c", 4)) }()
		synctest.Wait()
		if err := w.Keep(context.Background(), []string{"b"}); err != nil {
			t.Fatal(err)
		}
		w.wantRecords("b")
		w.SetPod(late)
		if err := <-ended; err != nil {
			t.Error(err)
		}
		w.wantIdentities("10.244.1.3", "10.244.1.4", "vethb", "vethc")
	})
}
