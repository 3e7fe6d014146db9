package artifact_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"warren.mesh/test/lab/artifact"
)

// A new version takes those with it that were not asked for lately, and nothing else.
func TestOldVersionsGo(t *testing.T) {
	cache := artifact.Cache{Dir: t.TempDir(), Progress: t.Logf}
	version := func(input string) artifact.Made {
		return artifact.Made{Name: "file", Inputs: []string{input}, Make: func(_ context.Context, output string) error {
			return os.WriteFile(output, []byte(input), 0o600)
		}}
	}
	dir := func(m artifact.Made) string {
		t.Helper()
		path, err := cache.GetMade(t.Context(), m)
		if err != nil {
			t.Fatal(err)
		}
		return filepath.Dir(path)
	}
	long := time.Now().Add(-48 * time.Hour)
	age := func(dir string) {
		t.Helper()
		if err := os.Chtimes(dir, long, long); err != nil {
			t.Fatal(err)
		}
	}
	forgotten, used := dir(version("forgotten")), dir(version("used"))
	others := []string{"file-of-another-0123456789abcdef", "another-0123456789abcdef", "file-0123456789abcdef.partial",
		"file"}
	for _, name := range others {
		if err := os.Mkdir(filepath.Join(cache.Dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
		age(filepath.Join(cache.Dir, name))
	}
	age(forgotten)
	age(used)
	dir(version("used"))
	latest := dir(version("latest"))

	left, err := filepath.Glob(filepath.Join(cache.Dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]bool{used: true, latest: true}
	for _, name := range others {
		want[filepath.Join(cache.Dir, name)] = true
	}
	got := map[string]bool{}
	for _, path := range left {
		if filepath.Ext(path) != ".lock" {
			got[path] = true
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("left (-want +got):\n%s", diff)
	}
}
