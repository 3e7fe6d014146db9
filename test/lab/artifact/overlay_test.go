package artifact_test

import (
	"encoding/json"
	"os/exec"
	"path/filepath"
	"testing"

	"warren.mesh/test/lab/artifact"
)

// overlay makes go build with this content in the place of a file, until restore is called or the test ends.
func overlay(t *testing.T, file, content string) (restore func()) {
	t.Helper()
	dir := t.TempDir()
	text, err := json.Marshal(map[string]map[string]string{"Replace": {file: filepath.Join(dir, "replacement.go")}})
	if err != nil {
		t.Fatal(err)
	}
	add(t, dir, map[string]string{"replacement.go": content, "overlay.json": string(text)})
	t.Setenv("GOFLAGS", "-overlay="+filepath.Join(dir, "overlay.json"))
	return func() { t.Setenv("GOFLAGS", "") }
}

func says(t *testing.T, path string) string {
	t.Helper()
	out, err := exec.Command(path).CombinedOutput()
	if err != nil {
		t.Error(err)
	}
	return string(out)
}

const broken = "package main\n\nfunc main() { println(\"broken\") }\n"

// A program that is broken on purpose is built, and never found in the place of the honest one, nor the other way.
func TestGetWithAnOverlay(t *testing.T) {
	cache := artifact.Cache{Dir: t.TempDir(), Progress: t.Logf}
	hello := artifact.Artifact{Name: "hello", Module: module(t, nil), Args: []string{"."}}
	main := filepath.Join(hello.Module, "main.go")
	want := func(text string) (path string) {
		t.Helper()
		path = get(t, cache, hello)
		if got := says(t, path); got != text+"\n" {
			t.Errorf("it says %q, want %q", got, text)
		}
		return path
	}
	restore := overlay(t, main, broken)
	first := want("broken")
	restore()
	honest := want("hello")
	overlay(t, main, broken)
	if again := want("broken"); again != first {
		t.Errorf("the same content is built anew, as %s", again)
	}
	overlay(t, main, "package main\n\nfunc main() { println(\"broken otherwise\") }\n")
	want("broken otherwise")
	overlay(t, filepath.Join(hello.Module, "more.go"), "package main\n\nfunc init() { println(\"more\") }\n")
	want("more\nhello")
	restore()
	if again := want("hello"); again != honest {
		t.Errorf("after an overlay the honest one is %s, before it was %s", again, honest)
	}
}

// What is not built from the file in question is not built anew.
func TestGetWithAnOverlayOfAnotherModule(t *testing.T) {
	cache := artifact.Cache{Dir: t.TempDir(), Progress: t.Logf}
	outer := module(t, map[string]string{"nested/go.mod": "module nested\n\ngo 1.26\n",
		"nested/main.go": "package main\n\nfunc main() {}\n"})
	nested := artifact.Artifact{Name: "nested", Module: filepath.Join(outer, "nested"), Args: []string{"."}}
	path := get(t, cache, nested)
	overlay(t, filepath.Join(outer, "main.go"), broken)
	if again := get(t, cache, nested); again != path {
		t.Errorf("built anew as %s", again)
	}
}

func TestFreshWithAnOverlay(t *testing.T) {
	cache := artifact.Cache{Dir: t.TempDir(), Progress: t.Logf}
	hello := artifact.Artifact{Name: "hello", Module: module(t, nil), Args: []string{"."}}
	fresh := func() string {
		t.Helper()
		path := filepath.Join(t.TempDir(), "hello")
		if err := cache.Fresh(t.Context(), hello, path); err != nil {
			t.Fatal(err)
		}
		return says(t, path)
	}
	latest := func() string { return says(t, filepath.Join(cache.Dir, "latest", "hello")) }
	if got := fresh(); got != "hello\n" || latest() != got {
		t.Errorf("it says %q", got)
	}
	restore := overlay(t, filepath.Join(hello.Module, "main.go"), broken)
	if got := fresh(); got != "broken\n" {
		t.Errorf("with an overlay it says %q", got)
	}
	if got := latest(); got != "hello\n" {
		t.Errorf("the one in the cache says %q after an overlay", got)
	}
	restore()
	if got := fresh(); got != "hello\n" {
		t.Errorf("after an overlay it says %q", got)
	}
}
