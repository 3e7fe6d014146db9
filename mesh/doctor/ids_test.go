package doctor_test

import (
	"fmt"
	"strings"
	"testing"

	"warren.mesh/mesh/doctor"
)

// The list has no gaps, and says of each check what it is and what to do, on one line each.
func TestEntries(t *testing.T) {
	titles := map[string]bool{}
	for i, e := range doctor.Entries() {
		if want := doctor.ID(fmt.Sprintf("W%02d", i+1)); e.ID != want {
			t.Errorf("entry %d has ID %s, want %s", i, e.ID, want)
		}
		if e.Title == "" || titles[e.Title] || e.Remedy == "" || strings.Contains(e.Title+e.Remedy, "\n") {
			t.Errorf("%+v", e)
		}
		titles[e.Title] = true
		if found, ok := doctor.Find(e.ID); !ok || found != e || e.ID.Anchor() != "docs/runbooks.md#"+string(e.ID) {
			t.Errorf("%s: found %+v, %v, at %s", e.ID, found, ok, e.ID.Anchor())
		}
	}
	if _, ok := doctor.Find("W99"); ok {
		t.Error("W99 is found")
	}
}
