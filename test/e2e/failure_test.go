package e2e

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"warren.mesh/mesh/meshtest"
	"warren.mesh/test/lab"
	"warren.mesh/test/lab/capture"
	"warren.mesh/test/lab/traffic"
)

// target is a scene whose first node the test breaks while everybody sends.
type target struct {
	*scene
	node  *lab.Node
	flows traffic.Flows
	// outward are those of flows that start on the node: from its pods and itself to pods, and to another node.
	outward traffic.Flows
	// before is the snapshot of the node when its mesh was whole.
	before map[string][]string
	// intruder sends plain text to the node. It is the zero value where the test has none.
	intruder intruder
}

func newTarget(t *testing.T) *target {
	t.Helper()
	tg := &target{scene: newScene(t, lab.Options{Family: lab.Dual})}
	tg.node = tg.Node(1)
	tg.flows = tg.crossing(t)
	for _, f := range tg.flows {
		if from := f.Report().From; from == tg.node.Name || from == tg.pods[0].Name || from == tg.pods[1].Name {
			tg.outward = append(tg.outward, f)
		}
	}
	tg.before = byDaemon(snapshot(t, tg.node))
	return tg
}

// Whatever breaks on a node, and whether or not anybody repairs it, nothing of the mesh leaves in plain text. Nothing
// comes in either, unless the guard itself is gone.
func TestPrivilegedFailures(t *testing.T) {
	meshtest.Privileged(t)
	t.Parallel()
	tg := newTarget(t)
	tg.intruder = tg.scene.intruder(t)
	for _, f := range slices.Concat(failures(), tg.deletions(t), []failure{{unrouted}}) {
		t.Run("unattended/"+f.name(), func(t *testing.T) { tg.unattended(t, f) })
	}
	for _, f := range failures() {
		t.Run("attended/"+f.name(), func(t *testing.T) { tg.attended(t, f) })
	}
	for _, d := range tg.damages(t) {
		t.Run("repaired/"+d.name, func(t *testing.T) { tg.repaired(t, d) })
	}
	t.Run("other-cni-configuration", tg.rival)
	t.Logf("on the underlay: %v", tg.capture.Report())
}

// broken is how many packets each flow sends while the mesh is broken: half a second.
const broken = 100

// unattended breaks the node while its daemon is stopped.
func (tg *target) unattended(t *testing.T, f failure) {
	tg.node.StopDaemon(t)
	f.inflict(t, tg.node)
	arrived := tg.arrived(t, broken)
	if share := f.cuts(); share == every && slices.Max(arrived) > 0 || share == some && slices.Min(arrived) > 0 {
		t.Errorf("%v packets have arrived although the mesh was broken: the scene is not what the test is about",
			arrived)
	}
	if !f.has(flushed) {
		tg.intruder.wantNoneIn(t)
	}
	if f.has(killed) {
		tg.node.StartDevice(t)
	}
	tg.node.StartDaemon(t)
	tg.whole(t)
}

// attended breaks the node while its daemon runs. A device process that was killed is started again, as a kubelet does,
// after a while.
func (tg *target) attended(t *testing.T, f failure) {
	written := operations(t, tg.node)
	f.inflict(t, tg.node)
	if f.has(killed) {
		tg.arrived(t, broken)
		tg.node.StartDevice(t)
	}
	tg.whole(t)
	repairs(t, tg.node, written)
}

// repairs waits until the daemon has counted more than written operations and returns how many. The daemon counts a
// change once it has made all of it, a moment after its packets flow.
func repairs(t *testing.T, n *lab.Node, written int) (now int) {
	t.Helper()
	lab.Wait(t, time.Minute, "the daemon to count what it has repaired", func() error {
		if now = operations(t, n); now == written {
			return errors.New("it has repaired nothing: the scene is not what the test is about")
		}
		return nil
	})
	return now
}

// arrived is how many packets of each outward flow arrive while each sends so many more, not counting what was on its
// way before.
func (tg *target) arrived(t *testing.T, packets int) (counts []int) {
	t.Helper()
	for _, f := range tg.outward {
		f.Recount()
	}
	pass(t, tg.outward, packets)
	for _, f := range tg.outward {
		counts = append(counts, f.Report().Received)
	}
	return counts
}

// whole waits until all flows arrive and the node's snapshot is as before, and wants nothing in plain text meanwhile.
func (tg *target) whole(t *testing.T) {
	t.Helper()
	begin := time.Now()
	resume(t, tg.flows)
	resumed := time.Since(begin)
	lab.Wait(t, time.Minute, "the mesh of "+tg.node.Name+" to be as before", func() error { return tg.differs() })
	t.Logf("all %d flows arrive again after %v; all is as before after %v",
		len(tg.flows), resumed.Round(time.Millisecond), time.Since(begin).Round(time.Millisecond))
	tg.wantNoLeak(t)
}

// differs is nil where the node's snapshot is as before.
func (tg *target) differs() error {
	now, err := trySnapshot(tg.node)
	if err != nil {
		return err
	}
	return differing(tg.before, byDaemon(now))
}

// byDaemon leaves out what is the kernel's own and differs with each device: the operational state, the link-local
// address.
func byDaemon(snapshot map[string][]string) map[string][]string {
	for inquiry, lines := range snapshot {
		if !strings.HasPrefix(inquiry, "ip -br ") {
			continue
		}
		for i, line := range lines {
			words := slices.Delete(strings.Fields(line), 1, 2)
			words = slices.DeleteFunc(words, func(word string) bool { return strings.HasPrefix(word, "fe80:") })
			lines[i] = strings.Join(words, " ")
		}
	}
	return snapshot
}

// wantNoLeak fails this test, and not the next one too, for what was in plain text.
func (tg *target) wantNoLeak(t *testing.T) {
	t.Helper()
	r := tg.capture.Report()
	if n := r.Packets[capture.Leak]; n > 0 {
		t.Errorf("%d packets on the underlay in plain text, of which the first are:\n%v", n, r.Samples[capture.Leak])
		tg.capture.Forget()
	}
}

// resume waits until each of the flows has had some packets more.
func resume(t *testing.T, flows traffic.Flows) {
	t.Helper()
	const few = 10
	enough := make([]int, len(flows))
	for i, f := range flows {
		enough[i] = f.Report().Received + few
	}
	for i, f := range flows {
		lab.Wait(t, time.Minute, "packets to arrive: "+f.Report().String(), func() error {
			return want("packets", f.Report().Received, enough[i])
		})
	}
}
