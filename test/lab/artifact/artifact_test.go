package artifact_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"warren.mesh/test/lab/artifact"
)

// module writes the files of a small Go module.
func module(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	add(t, dir, map[string]string{"go.mod": "module example.com/hello\n\ngo 1.26\n",
		"main.go": "package main\n\nfunc main() { println(\"hello\") }\n"})
	add(t, dir, files)
	return dir
}

func add(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, content := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func get(t *testing.T, c artifact.Cache, a artifact.Artifact) string {
	t.Helper()
	path, err := c.Get(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func TestGet(t *testing.T) {
	cache := artifact.Cache{Dir: t.TempDir(), Progress: t.Logf}
	hello := artifact.Artifact{Name: "hello", Module: module(t, nil), Args: []string{"."}}
	path := get(t, cache, hello)
	if out, err := exec.Command(path).CombinedOutput(); string(out) != "hello\n" {
		t.Errorf("it says %q, %v", out, err)
	}

	// These change nothing that it is built from.
	add(t, hello.Module, map[string]string{"main_test.go": "package main\n", "README.md": "hello",
		"nested/go.mod": "module nested\n", "nested/x.go": "package x\n"})
	if again := get(t, cache, hello); again != path {
		t.Errorf("built anew as %s", again)
	}
	for name, change := range map[string]func(*artifact.Artifact){
		"other flags":  func(a *artifact.Artifact) { a.Args = []string{"-trimpath", "."} },
		"other source": func(a *artifact.Artifact) { add(t, a.Module, map[string]string{"more.go": "package main\n"}) },
		"other go.mod": func(a *artifact.Artifact) {
			add(t, a.Module, map[string]string{"go.mod": "module example.com/other\n\ngo 1.26\n"})
		},
	} {
		changed := hello
		change(&changed)
		if other := get(t, cache, changed); other == path {
			t.Errorf("%s: not built anew", name)
		}
	}
}

func TestGetADirectory(t *testing.T) {
	cache := artifact.Cache{Dir: t.TempDir(), Progress: t.Logf}
	two := module(t, map[string]string{"one/main.go": "package main\n\nfunc main() {}\n",
		"two/main.go": "package main\n\nfunc main() {}\n"})
	path := get(t, cache, artifact.Artifact{Name: "both", Module: two, Args: []string{"./one", "./two"},
		Directory: true})
	for _, name := range []string{"one", "two"} {
		if _, err := os.Stat(filepath.Join(path, name)); err != nil {
			t.Error(err)
		}
	}
}

func TestGetKeepsNothingBroken(t *testing.T) {
	cache := artifact.Cache{Dir: t.TempDir(), Progress: t.Logf}
	broken := artifact.Artifact{Name: "broken", Module: module(t,
		map[string]string{"main.go": "package main\n\nfunc main() { nonsense }\n"}), Args: []string{"."}}
	_, err := cache.Get(t.Context(), broken)
	if err == nil || !strings.Contains(err.Error(), "undefined: nonsense") {
		t.Fatalf("the compiler is not quoted: %v", err)
	}
	add(t, broken.Module, map[string]string{"main.go": "package main\n\nfunc main() {}\n"})
	get(t, cache, broken)
}

// Of several that ask at once, one builds, and all get the same file.
func TestGetAtOnce(t *testing.T) {
	cache := artifact.Cache{Dir: t.TempDir(), Progress: t.Logf}
	hello := artifact.Artifact{Name: "hello", Module: module(t, nil), Args: []string{"."}}
	files := make([]os.FileInfo, 4)
	var all sync.WaitGroup
	for i := range files {
		all.Go(func() {
			path, err := cache.Get(t.Context(), hello)
			if err != nil {
				t.Error(err)
				return
			}
			files[i], _ = os.Stat(path)
		})
	}
	all.Wait()
	for _, f := range files {
		if f == nil || !os.SameFile(f, files[0]) {
			t.Error("there are several files")
		}
	}
}

func TestGetWaitsNoLongerThanAsked(t *testing.T) {
	cache := artifact.Cache{Dir: t.TempDir()}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	cache.Progress = t.Logf
	if _, err := cache.Get(ctx, artifact.Artifact{Name: "hello", Module: module(t, nil),
		Args: []string{"."}}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if entries, err := filepath.Glob(filepath.Join(cache.Dir, "*", "hello")); len(entries) > 0 ||
		errors.Is(err, fs.ErrNotExist) {
		t.Errorf("something was built: %v", entries)
	}
}

func TestFresh(t *testing.T) {
	cache := artifact.Cache{Dir: t.TempDir(), Progress: t.Logf}
	hello := artifact.Artifact{Name: "hello", Module: module(t, nil), Args: []string{"."}}
	says := func() string {
		t.Helper()
		path := filepath.Join(t.TempDir(), "hello")
		if err := cache.Fresh(t.Context(), hello, path); err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command(path).CombinedOutput()
		if err != nil {
			t.Error(err)
		}
		return string(out)
	}
	if got := says(); got != "hello\n" {
		t.Errorf("it says %q", got)
	}
	add(t, hello.Module, map[string]string{"main.go": "package main\n\nfunc main() { println(\"hello again\") }\n"})
	if got := says(); got != "hello again\n" {
		t.Errorf("after a change it says %q", got)
	}
}

func TestSource(t *testing.T) {
	hello := artifact.Artifact{Name: "hello", Module: module(t, map[string]string{"inner/x.go": "package inner\n"})}
	dir, err := hello.Source(t.Context(), "example.com/hello/inner")
	if err != nil || dir != filepath.Join(hello.Module, "inner") {
		t.Errorf("got %q, %v", dir, err)
	}
	if dir, err := hello.Source(t.Context(), "example.com/hello/absent"); err == nil {
		t.Errorf("of a package that does not exist there is %s", dir)
	}
}

// The Makefile runs commands that are also among a lab's programs, or have most in common with them. With other flags
// all of it is compiled twice: two minutes of the first demonstration.
func TestMakefileBuildsAlike(t *testing.T) {
	makefile, err := os.ReadFile("../../../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	if want := "CGO_ENABLED=0 GOGC=800 go run -buildvcs=false -trimpath\n"; !strings.Contains(string(makefile), want) {
		t.Errorf("the Makefile has no %s", want)
	}
	for line := range strings.Lines(string(makefile)) {
		if strings.Contains(line, "go run ./test/") {
			t.Errorf("go run with other flags: %s", line)
		}
	}
}
