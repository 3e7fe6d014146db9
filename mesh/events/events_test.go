package events_test

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"warren.mesh/mesh"
	"warren.mesh/mesh/events"
	"warren.mesh/mesh/status"
)

var start = time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)

// ready is a node that has been in the mesh since start.
func ready() events.Seen {
	s := status.Snapshot{Node: "a", Daemon: status.Daemon{Backend: "kernel"}, Peers: status.Peers{Programmed: 2}}
	return events.Seen{Status: s.Begin(start).End(start), Changed: true, Drops: map[string]uint64{"leak-pod": 7}}
}

// edited returns a node that is ready but for what edit changes.
func edited(edit func(status.Snapshot) status.Snapshot) events.Seen {
	s := ready()
	s.Status = edit(s.Status)
	return s
}

// broken is a node of which a step waits or fails since start.
func broken(step status.Step, err error) events.Seen {
	return edited(func(s status.Snapshot) status.Snapshot { return s.Report(step, err, start) })
}

// teller is who tells at once whatever is due.
type teller struct{ log events.Log }

// look tells what is due so long after start, and returns it.
func (r *teller) look(s events.Seen, after time.Duration) (all []string) {
	var due []events.Event
	r.log, due = r.log.Look(s, start.Add(after))
	for _, e := range due {
		r.log = r.log.Told(e, s, start.Add(after))
		all = append(all, string(e.Reason)+": "+e.Note)
	}
	return all
}

func wantTold(t *testing.T, got []string, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}
}

const meshReady = "MeshReady: node a is in the mesh, with 2 peers and the kernel's WireGuard"

// Each reason is told of what it is about, and of nothing else.
func TestReasons(t *testing.T) {
	waiting := fmt.Errorf("%w for it", mesh.ErrWaiting)
	problem := func(node string) events.Seen {
		return edited(func(s status.Snapshot) status.Snapshot {
			return s.WithProblems([]mesh.Problem{{Node: node, Field: mesh.FieldNodeIPs, Reason: "bad"}}, start)
		})
	}
	keys, devices, drops, passed := ready(), ready(), ready(), ready()
	keys.Keys, keys.Key = 1, "KEY="
	devices.Devices = 1
	drops.Drops = map[string]uint64{"leak-pod": 9, "plain-to-pod": 1}
	passed.Drops = map[string]uint64{"leak-pod": 7, "masqueraded-into-mesh": 5}
	for name, tt := range map[string]struct {
		seen events.Seen
		want []string
	}{
		"nothing new":       {ready(), nil},
		"waits":             {broken("desired state", waiting), []string{"Waiting: desired state: waiting for it"}},
		"fails":             {broken("host", errors.New("no")), []string{"Failing: host: no"}},
		"other CNI":         {broken(status.StepRival, errors.New("05-x.conf")), []string{"ForeignCNI: 05-x.conf"}},
		"a warning":         {edited(func(s status.Snapshot) status.Snapshot { return s.Warn("x", "y", start) }), nil},
		"own problem":       {problem("a"), []string{"LeftOut: node-ips: bad"}},
		"another's problem": {problem("b"), nil},
		"key":               {keys, []string{"KeyChanged: the node announces another public key: KEY="}},
		"device": {devices, []string{"DeviceReplaced: the WireGuard device had lost its key: it was configured anew, " +
			"and its sessions begin anew"}},
		"drops": {drops, []string{"GuardDropped: the guard dropped packets that would have been in plain text, by " +
			"counter: leak-pod 2, plain-to-pod 1"}},
		"what the guard lets through": {passed, nil},
	} {
		t.Run(name, func(t *testing.T) {
			var r teller
			wantTold(t, r.look(ready(), 0), meshReady)
			wantTold(t, r.look(tt.seen, time.Minute), tt.want...)
			wantTold(t, r.look(tt.seen, 2*time.Minute))
		})
	}
}

// A step that waits or fails for a moment is not worth an Event: each daemon waits when it starts.
func TestPatience(t *testing.T) {
	var r teller
	s := broken("host", errors.New("no"))
	wantTold(t, r.look(s, events.Patience-1))
	wantTold(t, r.look(s, events.Patience), "Failing: host: no")
}

// One reason is told once in ten minutes, however often it comes and goes, and others at once. What still holds after
// ten minutes and was not told is told then; what was told is not told again while it lasts.
func TestQuiet(t *testing.T) {
	var r teller
	one, two := broken("host", errors.New("one")), broken("cni plugins", errors.New("two"))
	wantTold(t, r.look(ready(), 0), meshReady)
	wantTold(t, r.look(one, time.Minute), "Failing: host: one")
	wantTold(t, r.look(ready(), 2*time.Minute)) // MeshReady was just told
	wantTold(t, r.look(one, 3*time.Minute))
	wantTold(t, r.look(two, 4*time.Minute))
	wantTold(t, r.look(two, 11*time.Minute-1))
	wantTold(t, r.look(two, 11*time.Minute), "Failing: cni plugins: two")
	for minute := range 60 {
		wantTold(t, r.look(two, time.Duration(12+minute)*time.Minute))
	}
	wantTold(t, r.look(ready(), 80*time.Minute), meshReady)
	wantTold(t, r.look(two, 81*time.Minute), "Failing: cni plugins: two")
}

// The counters at the start are of before, and a table that was made anew begins at zero.
func TestDrops(t *testing.T) {
	var r teller
	drops := func(n uint64) events.Seen {
		s := ready()
		s.Drops = map[string]uint64{"leak-pod": n}
		return s
	}
	const said = "GuardDropped: the guard dropped packets that would have been in plain text, by counter: leak-pod "
	unread := ready()
	unread.Drops = nil
	wantTold(t, r.look(unread, 0), meshReady)
	wantTold(t, r.look(drops(7), time.Minute))
	wantTold(t, r.look(unread, 2*time.Minute))
	wantTold(t, r.look(drops(9), 3*time.Minute), said+"2")
	wantTold(t, r.look(drops(10), 4*time.Minute))
	wantTold(t, r.look(drops(12), 13*time.Minute), said+"3")
	wantTold(t, r.look(drops(4), 30*time.Minute), said+"4")
}

// A daemon that finds its node in the mesh tells nothing, nor when it was not ready for a moment; but that the node is
// ready after something that was told.
func TestRestartTellsNothing(t *testing.T) {
	var r teller
	found, failing := ready(), broken("host", errors.New("no"))
	found.Changed, failing.Changed = false, false
	moment := edited(func(s status.Snapshot) status.Snapshot {
		return s.Report("host", errors.New("no"), start.Add(time.Minute))
	})
	wantTold(t, r.look(events.Seen{}, 0))
	wantTold(t, r.look(found, 0))
	wantTold(t, r.look(moment, time.Minute))
	wantTold(t, r.look(ready(), 2*time.Minute))
	wantTold(t, r.look(failing, 3*time.Minute), "Failing: host: no")
	wantTold(t, r.look(ready(), 4*time.Minute), meshReady)
}

// What could not be told is due again while it holds, and not once it is over.
func TestUntold(t *testing.T) {
	var l events.Log
	for range 2 {
		var due []events.Event
		if l, due = l.Look(ready(), start); len(due) != 1 {
			t.Fatalf("due are %v", due)
		}
	}
	if _, due := l.Look(broken("host", errors.New("no")), start); len(due) != 0 {
		t.Errorf("due are %v", due)
	}
}

// A note has a bounded length, and ends between characters.
func TestLongNotes(t *testing.T) {
	_, due := events.Log{}.Look(broken("x", errors.New(strings.Repeat("é", 2000))), start.Add(events.Patience))
	if n := due[0].Note; len(n) > events.MaxNote || len(n) < events.MaxNote-2 || !utf8.ValidString(n) {
		t.Errorf("%d bytes: %q", len(n), n)
	}
}

// The admission policy allows the reasons that there are.
func TestPolicyKnowsTheReasons(t *testing.T) {
	policy, err := os.ReadFile("../../manifests/policy-events.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, r := range events.Reasons() {
		names = append(names, "'"+string(r)+"'")
	}
	if list := "variables.reason in [" + strings.Join(names, ", ") + "]"; !strings.Contains(string(policy), list) {
		t.Errorf("policy-events.yaml has no %q", list)
	}
	if !slices.Contains(events.Reasons(), events.MeshReady) || events.Waiting.Normal() || !events.KeyChanged.Normal() {
		t.Error("the reasons are others")
	}
}
