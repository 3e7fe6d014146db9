package status

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"warren.mesh/mesh"
)

func TestProblemsKeepTheirSince(t *testing.T) {
	a := mesh.Problem{Node: "a", Field: mesh.FieldEndpoint, Reason: "no port"}
	b := mesh.Problem{Node: "b", Field: mesh.FieldNodeIPs, Reason: "not an address"}
	s := Snapshot{}.WithProblems([]mesh.Problem{b}, at(1)).WithProblems([]mesh.Problem{a, b}, at(2))
	s = s.WithProblems([]mesh.Problem{a, b}, at(3))
	want := []Problem{
		{Node: "a", Field: "endpoint", Reason: "no port", Since: at(2)},
		{Node: "b", Field: "node-ips", Reason: "not an address", Since: at(1)},
	}
	if diff := cmp.Diff(want, s.Problems); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if s := s.WithProblems([]mesh.Problem{b, b}, at(3)); s.Problems[0].Node != "b" {
		t.Errorf("two others in the place of two: %v", s.Problems)
	}
	if s = s.WithProblems(nil, at(4)); len(s.Problems) != 0 {
		t.Errorf("left: %v", s.Problems)
	}
	if s = s.WithProblems([]mesh.Problem{b}, at(5)); s.Problems[0].Since != at(5) {
		t.Errorf("a problem that comes again is since %v", s.Problems[0].Since)
	}
}
