package status

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// ready returns a snapshot of a mesh that is well.
func ready() Snapshot { return Snapshot{}.Begin(at(1)).End(at(2)) }

func TestUnreadyWithoutPolicies(t *testing.T) {
	for name, test := range map[string]struct {
		enforcement Enforcement
		want        []string
	}{
		"off":      {Enforcement{}, nil},
		"in force": {Enforcement{On: true, Synced: at(1)}, nil},
		"not yet":  {Enforcement{On: true}, []string{"waiting for the first pass over network policies"}},
		"waiting": {
			Enforcement{On: true}.Report("lists", waitingFor("pods"), at(1)), []string{"lists: waiting for pods"},
		},
		"failing": {
			Enforcement{On: true, Synced: at(1)}.Report("nft", errors.New("no"), at(1)), []string{"nft: no"},
		},
		"to be known": {Enforcement{On: true, Synced: at(1)}.Warn("x", "y", at(1)), nil},
	} {
		t.Run(name, func(t *testing.T) {
			s := ready()
			s.Enforcement = test.enforcement
			if diff := cmp.Diff(test.want, s.Unready()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if s.Outcome() != Success {
				t.Errorf("the mesh's own pass: %v", s.Outcome())
			}
		})
	}
}

func TestEnforcementIsToldOf(t *testing.T) {
	before, after := ready(), ready()
	after.Enforcement = after.Enforcement.Warn("records", "one is none", at(3)).Report("nft", errors.New("no"), at(3))
	d := Diff(before, after)
	if len(d.Began) != 2 || d.Began[0].Step != "nft" || len(Diff(after, before).Ended) != 2 {
		t.Errorf("%+v", d)
	}
	if diff := cmp.Diff([]string{"records: one is none"}, after.Warnings()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	after.Enforcement.Began = at(0)
	want := []string{"a pass over network policies has been under way for 5m0s"}
	if diff := cmp.Diff(want, after.Stuck(at(0).Add(StuckAfter))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if stuck := after.Stuck(at(0).Add(StuckAfter - time.Second)); stuck != nil {
		t.Errorf("stuck too early: %v", stuck)
	}
}

func TestPolicyProblemsAreBounded(t *testing.T) {
	var list []PolicyProblem
	for n := range MaxPolicyProblems + 10 {
		list = append(list, PolicyProblem{"NetworkPolicy", "shop", fmt.Sprint(n), "spec", "none"})
	}
	before, after := ready(), ready()
	after.Enforcement = after.Enforcement.WithProblems(list)
	if e := after.Enforcement; len(e.Problems) != MaxPolicyProblems || e.ProblemCount != len(list) {
		t.Errorf("%d of %d", len(e.Problems), e.ProblemCount)
	}
	if d := Diff(before, after); len(d.PoliciesArose) != MaxPolicyProblems || len(d.PoliciesGone) != 0 {
		t.Errorf("%d arose, %d gone", len(d.PoliciesArose), len(d.PoliciesGone))
	}
	last := after
	last.Enforcement = last.Enforcement.WithProblems(list[1:2])
	if d := Diff(after, last); len(d.PoliciesGone) != MaxPolicyProblems-1 || len(d.PoliciesArose) != 0 {
		t.Errorf("%d arose, %d gone", len(d.PoliciesArose), len(d.PoliciesGone))
	}
	if got, want := list[1].String(), "NetworkPolicy shop/1 spec: none"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
