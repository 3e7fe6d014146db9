package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func tell(t *testing.T, story func(*terminal)) (string, error) {
	t.Helper()
	var out strings.Builder
	terminal := &terminal{ctx: t.Context(), name: "demo", out: &out}
	err := terminal.run(story)
	return out.String(), err
}

func TestStoryThatGoesWell(t *testing.T) {
	out, err := tell(t, func(t *terminal) {
		t.Cleanup(func() { t.Logf("last") })
		t.Cleanup(func() { t.Logf("first") })
		t.title("A title")
		t.check(nil, "it is %s", "so")
		t.show("as it is\n\n")
	})
	if err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff("\n== A title\nok it is so\nas it is\n   first\n   last\n", out); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// What is wrong ends the story or not, but never the clean-up, and is an error in the end.
func TestStoryThatGoesWrong(t *testing.T) {
	out, err := tell(t, func(t *terminal) {
		t.Cleanup(func() { t.Logf("cleaned, failed is %v", t.Failed()) })
		t.Cleanup(func() { t.Fatalf("cannot clean this") })
		t.Errorf("this is wrong")
		end := t.Fatalf
		end("this is fatal")
		t.Logf("never said")
	})
	if err == nil || err.Error() != "demo: 3 things went wrong" {
		t.Errorf("got %v", err)
	}
	if diff := cmp.Diff("!! this is wrong\n!! this is fatal\n!! cannot clean this\n   cleaned, failed is true\n",
		out); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestStoryWithABug(t *testing.T) {
	defer func() {
		if recover() != "a bug" {
			t.Error("a panic was swallowed")
		}
	}()
	_, _ = tell(t, func(*terminal) { panic("a bug") })
}
