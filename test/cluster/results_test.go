package cluster

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What ginkgo says of tests, in an excerpt of its report, is told apart by what it means.
func TestResults(t *testing.T) {
	r, err := readResults([]byte(`[{"SpecReports": [
		{"LeafNodeType": "SynchronizedBeforeSuite", "State": "passed"},
		{"ContainerHierarchyTexts": ["net", "pods"], "LeafNodeType": "It", "LeafNodeText": "talk", "State": "passed"},
		{"ContainerHierarchyTexts": ["net"], "LeafNodeType": "It", "LeafNodeText": "a", "State": "passed"},
		{"ContainerHierarchyTexts": ["net"], "LeafNodeType": "It", "LeafNodeText": "b", "State": "failed",
			"Failure": {"Message": "no"}},
		{"ContainerHierarchyTexts": ["net"], "LeafNodeType": "It", "LeafNodeText": "c", "State": "timedout"},
		{"ContainerHierarchyTexts": ["net"], "LeafNodeType": "It", "LeafNodeText": "d", "State": "skipped",
			"Failure": {"Message": "skipped: one node"}},
		{"ContainerHierarchyTexts": ["net"], "LeafNodeType": "It", "LeafNodeText": "e", "State": "skipped"},
		{"LeafNodeType": "It", "LeafNodeText": "f", "State": "pending"}
	]}]`))
	if err != nil {
		t.Fatal(err)
	}
	want := Results{
		Passed: []string{"net a", "net pods talk"}, Failed: []string{"net b", "net c"}, Skipped: []string{"net d"},
		Unselected: []string{"f", "net e"},
	}
	if diff := cmp.Diff(want, r); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	const text = "2 passed, 2 failed, 1 skipped\nfailed: net b\nfailed: net c\nskipped: net d"
	if got := r.String(); got != text {
		t.Errorf("got %q, want %q", got, text)
	}
	if _, err := readResults([]byte("{")); err == nil {
		t.Error("half a report was read")
	}
}
