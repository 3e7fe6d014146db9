package warren

import (
	"bytes"
	"cmp"
	"encoding/json"
	"flag"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"
)

// mutantsFile has a mutant for each test that holds a claim, or the reason why there is none.
const mutantsFile = "testdata/mutants.txtar"

// redTests selects the tests that TestMutants shows red.
var redTests = flag.String("mutants", "", "show the tests red whose names match this regular expression")

// mutant is a fault that a test, or one of its subtests, must find: in file, what becomes with. No file means that
// there is none, for a reason.
type mutant struct {
	test, file, what, with, reason string
	// says is what the test must say then; "": anything.
	says string
	// waits says that the test finds the fault by waiting in vain, until its time is over.
	waits bool
}

// mutants reads mutantsFile.
func mutants(t *testing.T) (all []mutant) {
	t.Helper()
	archive, err := txtar.ParseFile(mutantsFile)
	if err != nil {
		t.Fatal(err)
	}
	for _, section := range archive.Files {
		name := strings.Fields(section.Name)
		parts := strings.Split(strings.TrimSuffix(string(section.Data), "\n"), "\n=>\n")
		waits := len(name) == 3 && name[2] == "waits"
		switch {
		case (len(name) == 2 || waits) && (len(parts) == 2 || len(parts) == 3):
			m := mutant{test: name[0], file: name[1], what: parts[0], with: parts[1], waits: waits}
			m.says = strings.Join(parts[2:], "")
			all = append(all, m)
		case len(name) == 1 && len(parts) == 1 && parts[0] != "":
			all = append(all, mutant{test: name[0], reason: parts[0]})
		default:
			t.Errorf("%s: section %q is neither a mutant nor a reason", mutantsFile, section.Name)
		}
	}
	return all
}

// top is the name of the test that a function has.
func (m mutant) top() string {
	name, _, _ := strings.Cut(m.test, "/")
	return name
}

// selector selects the test and no other.
func (m mutant) selector() string {
	return "^" + strings.ReplaceAll(regexp.QuoteMeta(m.test), "/", "$/^") + "$"
}

// Each mutant fits the source and, with -mutants, is found by its test.
func TestMutants(t *testing.T) {
	known := definedTests(t)
	for _, m := range mutants(t) {
		t.Run(m.test, func(t *testing.T) {
			if len(known[m.top()]) == 0 {
				t.Fatal("there is no such test")
			}
			if m.file == "" {
				t.Logf("no mutant: %s", m.reason)
				return
			}
			source, err := os.ReadFile(m.file)
			if err != nil {
				t.Fatal(err)
			}
			if n := bytes.Count(source, []byte(m.what)); n != 1 {
				t.Fatalf("%s has %q %d times: choose another mutant", m.file, m.what, n)
			}
			if selected := regexp.MustCompile(*redTests); *redTests != "" && selected.MatchString(m.test) {
				m.wantRed(t, bytes.Replace(source, []byte(m.what), []byte(m.with), 1), known[m.top()])
			}
		})
	}
}

// wantRed runs the test with another content of the mutant's file, and wants it to fail.
func (m mutant) wantRed(t *testing.T, source []byte, packages []string) {
	t.Helper()
	// On a busy machine a test may take minutes, as whole meshes do on any. Where it waits in vain, two are enough.
	timeout := "-timeout=10m"
	if m.waits {
		timeout = "-timeout=2m"
	}
	args := append([]string{"test", "-count=1", timeout, "-run=" + m.selector()}, packages...)
	run := exec.Command("go", args...)
	// In the environment, so that what the test builds is built of the same.
	run.Env = append(os.Environ(), "GOFLAGS=-overlay="+m.overlay(t, source))
	out, err := run.CombinedOutput()
	late := bytes.Contains(out, []byte("panic: test timed out"))
	switch red := bytes.Contains(out, []byte("--- FAIL: "+m.test)) || bytes.Contains(out, []byte("panic: ")); {
	case late != m.waits:
		t.Errorf("its time was over: %t, want %t: %s says whether it waits:\n%s", late, m.waits, mutantsFile, out)
	case err == nil:
		t.Errorf("is green although %s has %q in the place of %q", m.file, m.with, m.what)
	case !red:
		t.Errorf("fails otherwise than by its mutant: %v\n%s", err, out)
	case !bytes.Contains(out, []byte(m.says)):
		t.Errorf("is red, but does not say %q:\n%s", m.says, out)
	default:
		t.Logf("red: %s", m.firstFailure(out))
	}
}

// overlay writes what `go help build` describes at -overlay, and returns its path.
func (m mutant) overlay(t *testing.T, source []byte) string {
	t.Helper()
	original, err := filepath.Abs(m.file)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	replacement, overlay := filepath.Join(dir, "mutant.go"), filepath.Join(dir, "overlay.json")
	text, err := json.Marshal(map[string]map[string]string{"Replace": {original: replacement}})
	if err != nil {
		t.Fatal(err)
	}
	for path, content := range map[string][]byte{replacement: source, overlay: text} {
		if err := os.WriteFile(path, content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return overlay
}

// firstFailure is the first line that the test has said, or the one with what it must say.
func (m mutant) firstFailure(out []byte) string {
	said := cmp.Or(m.says, "_test.go:")
	for line := range strings.Lines(string(out)) {
		if text := strings.TrimSpace(line); strings.Contains(text, said) {
			return text
		}
	}
	return "no line of the test's own"
}

// Each test that holds a claim has a mutant or a reason for none, and no other has.
func TestClaimsHaveMutants(t *testing.T) {
	has := map[string]bool{}
	for _, m := range mutants(t) {
		has[m.top()] = true
	}
	claimed := map[string]bool{}
	for _, name := range claimedTests(t) {
		claimed[name] = true
	}
	for _, name := range slices.Sorted(maps.Keys(claimed)) {
		if !has[name] {
			t.Errorf("%s holds a claim: give it a mutant in %s, or a section that says why not", name, mutantsFile)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(has)) {
		if !claimed[name] {
			t.Errorf("%s has %s, which holds no claim of CONTRIBUTING.md", mutantsFile, name)
		}
	}
}
