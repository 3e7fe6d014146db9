package status

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"warren.mesh/mesh"
)

func TestDiff(t *testing.T) {
	problem := func(node string) mesh.Problem { return mesh.Problem{Node: node, Field: "endpoint", Reason: "no port"} }
	before := Snapshot{}.Report("a", errors.New("1"), at(1)).Report("b", errors.New("2"), at(1))
	before = before.Report("c", errors.New("3"), at(1))
	before = before.WithProblems([]mesh.Problem{problem("z"), problem("k"), problem("y")}, at(1))
	after := before.Report("a", nil, at(2)).Report("c", errors.New("4"), at(2)).Report("d", waitingFor("it"), at(2))
	after = after.WithProblems([]mesh.Problem{problem("n"), problem("k"), problem("m"), problem("m")}, at(2))
	want := Difference{
		Began: []Condition{
			{Step: "c", State: Failing, Reason: "4", Since: at(1)},
			{Step: "d", State: Waiting, Reason: "waiting for it", Since: at(2)},
		},
		Ended: []Condition{{Step: "a", State: Failing, Reason: "1", Since: at(1)}},
		Arose: []Problem{
			{Node: "n", Field: "endpoint", Reason: "no port", Since: at(2)},
			{Node: "m", Field: "endpoint", Reason: "no port", Since: at(2)},
		},
		Gone: []Problem{
			{Node: "y", Field: "endpoint", Reason: "no port", Since: at(1)},
			{Node: "z", Field: "endpoint", Reason: "no port", Since: at(1)},
		},
	}
	if diff := cmp.Diff(want, Diff(before, after)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(Difference{}, Diff(after, after.Report("c", errors.New("4"), at(3)))); diff != "" {
		t.Errorf("of equal snapshots (-want +got):\n%s", diff)
	}
}

// What a reader knows of a Snapshot, and of the Differences since, is what it knows of the last one.
func TestDifferencesAddUp(t *testing.T) {
	var s Snapshot
	known := map[Step]string{}
	problems := map[mesh.Problem]bool{}
	for n := range uint64(2000) {
		before := s
		s = randomly(s, n)
		d := Diff(before, s)
		for _, c := range d.Ended {
			delete(known, c.Step)
		}
		for _, c := range d.Began {
			known[c.Step] = c.Reason
		}
		for _, p := range d.Gone {
			delete(problems, p.of())
		}
		for _, p := range d.Arose {
			problems[p.of()] = true
		}
		conditions, now := map[Step]string{}, map[mesh.Problem]bool{}
		for _, c := range s.Conditions {
			conditions[c.Step] = c.Reason
		}
		for _, p := range s.Problems {
			now[p.of()] = true
		}
		if diff := cmp.Diff(conditions, known) + cmp.Diff(now, problems); diff != "" {
			t.Fatalf("after %d changes (-is +known):\n%s", n, diff)
		}
	}
}
