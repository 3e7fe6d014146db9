package e2e

import (
	"slices"
	"strings"
	"testing"
	"time"

	"warren.mesh/mesh/meshtest"
	"warren.mesh/test/lab"
	"warren.mesh/test/lab/capture"
	"warren.mesh/test/lab/traffic"
)

// victim is a scene whose first node is meddled with while everybody sends.
type victim struct {
	*scene
	node  *lab.Node
	flows traffic.Flows
	// outward are those of flows that start on the node: from its pods and itself to pods, and to another node.
	outward traffic.Flows
	// before is how the node's mesh stood when it was whole.
	before map[string][]string
}

func newVictim(t *testing.T) *victim {
	t.Helper()
	v := &victim{scene: newScene(t, lab.Options{Family: lab.Dual})}
	v.node = v.Node(1)
	v.flows = v.crossing(t)
	for _, f := range v.flows {
		if from := f.Report().From; from == v.node.Name || from == v.pods[0].Name || from == v.pods[1].Name {
			v.outward = append(v.outward, f)
		}
	}
	v.before = byDaemon(standing(t, v.node))
	return v
}

// Whatever breaks on a node, and whether or not anybody repairs it, nothing of the mesh leaves in plain text.
func TestPrivilegedFailures(t *testing.T) {
	meshtest.Privileged(t)
	v := newVictim(t)
	for _, f := range failures() {
		t.Run("unattended/"+f.name(), func(t *testing.T) { v.unattended(t, f) })
	}
	for _, f := range failures() {
		t.Run("attended/"+f.name(), func(t *testing.T) { v.attended(t, f) })
	}
	for _, d := range v.damages(t) {
		t.Run("repaired/"+d.name, func(t *testing.T) { v.repaired(t, d) })
	}
	t.Logf("on the underlay: %v", v.capture.Report())
}

// broken is how many packets each flow sends while the mesh is broken: half a second.
const broken = 100

// unattended breaks the node while its daemon is stopped.
func (v *victim) unattended(t *testing.T, f failure) {
	v.node.StopDaemon(t)
	f.inflict(t, v.node)
	arrived := v.arrived(t, broken)
	if mesh := slices.ContainsFunc(f, func(one fault) bool { return one.name != flushed.name }); mesh && arrived > 0 {
		t.Errorf("%d packets have arrived although the mesh was broken: the scene is not what the test is about", arrived)
	}
	if f.has(killed) {
		v.node.StartDevice(t)
	}
	v.node.StartDaemon(t)
	v.whole(t)
}

// attended breaks the node while its daemon runs. A device process that was killed is started again, as a kubelet does,
// after a while.
func (v *victim) attended(t *testing.T, f failure) {
	written := operations(t, v.node)
	f.inflict(t, v.node)
	if f.has(killed) {
		v.arrived(t, broken)
		v.node.StartDevice(t)
	}
	v.whole(t)
	if operations(t, v.node) == written {
		t.Error("the daemon has repaired nothing: the scene is not what the test is about")
	}
}

// arrived is how many packets of the outward flows arrive while each sends so many more. What was on its way is let arrive
// first.
func (v *victim) arrived(t *testing.T, packets int) (count int) {
	t.Helper()
	pass(t, v.outward, packets/10)
	for _, f := range v.outward {
		count -= f.Report().Received
	}
	pass(t, v.outward, packets)
	for _, f := range v.outward {
		count += f.Report().Received
	}
	return count
}

// whole waits until all flows arrive and the node's mesh stands as before, and wants nothing in plain text meanwhile.
func (v *victim) whole(t *testing.T) {
	t.Helper()
	begin := time.Now()
	resume(t, v.flows)
	resumed := time.Since(begin)
	lab.Wait(t, time.Minute, "the mesh of "+v.node.Name+" to stand as before", func() error { return v.differs() })
	t.Logf("all %d flows arrive again after %v; all stands after %v",
		len(v.flows), resumed.Round(time.Millisecond), time.Since(begin).Round(time.Millisecond))
	v.wantNoLeak(t)
}

// differs is nil where the node's mesh stands as before.
func (v *victim) differs() error {
	now, err := stands(v.node)
	if err != nil {
		return err
	}
	return differing(v.before, byDaemon(now))
}

// byDaemon leaves out what is the kernel's own and differs with each device: the operational state, the link-local address.
func byDaemon(standing map[string][]string) map[string][]string {
	for inquiry, lines := range standing {
		if !strings.HasPrefix(inquiry, "ip -br ") {
			continue
		}
		for i, line := range lines {
			words := slices.Delete(strings.Fields(line), 1, 2)
			words = slices.DeleteFunc(words, func(word string) bool { return strings.HasPrefix(word, "fe80:") })
			lines[i] = strings.Join(words, " ")
		}
	}
	return standing
}

// wantNoLeak fails this test, and not the next one too, for what was in plain text.
func (v *victim) wantNoLeak(t *testing.T) {
	t.Helper()
	r := v.capture.Report()
	if n := r.Packets[capture.Leak]; n > 0 {
		t.Errorf("%d packets on the underlay in plain text, of which the first are:\n%v", n, r.Samples[capture.Leak])
		v.capture.Forget()
	}
}

// resume waits until each of the flows has had some packets more.
func resume(t *testing.T, flows traffic.Flows) {
	t.Helper()
	const some = 10
	enough := make([]int, len(flows))
	for i, f := range flows {
		enough[i] = f.Report().Received + some
	}
	for i, f := range flows {
		lab.Wait(t, time.Minute, "packets to arrive: "+f.Report().String(), func() error {
			return want("packets", f.Report().Received, enough[i])
		})
	}
}
