package vm

import (
	"cmp"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// forGuests begins the name of every test that a guest may run.
const forGuests = "TestPrivileged"

// selection says which tests of one package a guest runs. All names are beginnings: of tests behind forGuests, of
// subtests from their test on ("what others change/route" is a subtest's subtest). Each must match something;
// TestSelections says which does not, and so does the guest's outcome.
type selection struct {
	// dir is the package's, relative to the module.
	dir string
	// tests are the only tests; none means all.
	tests []string
	// without are tests and, with a leading slash, subtests that are left out.
	without []string
	// subtests are the only subtests of all those tests that have some; none means all.
	subtests []string
}

// suite runs the package's test binary with what is selected, or with what the flag says.
func (s selection) suite(timeout time.Duration) suite {
	args := []string{"-test.run=" + cmp.Or(*pattern, s.run()), "-test.skip=" + s.skip(),
		"-test.timeout=" + timeout.String()}
	if whole(s.dir) {
		// API servers side by side take longer to start than one after the other.
		args = append(args, "-test.parallel=1")
	}
	return suite{dir: s.dir, timeout: timeout + 10*time.Second, args: args}
}

// run is go test's -run.
func (s selection) run() string {
	names := "^" + forGuests + anyOf(s.tests)
	if len(s.subtests) > 0 {
		names += "/^" + anyOf(s.subtests)
	}
	return names
}

// skip is go test's -skip: an alternative for each name, with an expression for each level.
func (s selection) skip() string {
	var all []string
	for _, name := range s.without {
		first, rest, deep := strings.Cut(name, "/")
		expression := ""
		if first != "" {
			expression = "^" + forGuests + anyOf([]string{first})
		}
		if deep {
			expression += "/^" + strings.ReplaceAll(rewritten(rest), "/", "/^")
		}
		all = append(all, expression)
	}
	return strings.Join(all, "|")
}

// anyOf is an expression for each of the names; none is for everything.
func anyOf(names []string) string {
	if len(names) == 0 {
		return ""
	}
	all := make([]string, len(names))
	for i, name := range names {
		all[i] = rewritten(name)
	}
	return "(" + strings.Join(all, "|") + ")"
}

// rewritten is a name as the testing package has it, without blanks, for an expression.
func rewritten(name string) string { return regexp.QuoteMeta(strings.ReplaceAll(name, " ", "_")) }

// missing lists the names of tests and subtests that none of the guest's results has. What is left out has no result.
func (s selection) missing(r *result) (names []string) {
	for _, want := range s.tests {
		if !slices.ContainsFunc(r.subs, func(test *result) bool {
			return strings.HasPrefix(test.name,
				forGuests+want)
		}) {
			names = append(names, want)
		}
	}
	for _, want := range s.subtests {
		has := func(sub *result) bool { return strings.HasPrefix(sub.name, strings.ReplaceAll(want, " ", "_")) }
		if !slices.ContainsFunc(r.subs, func(test *result) bool { return slices.ContainsFunc(test.subs, has) }) {
			names = append(names, "/"+want)
		}
	}
	return names
}

// source is what the test files of a package say: the names of its tests, and all strings, among which subtests' names
// are.
type source struct{ tests, strings []string }

// read reads the Go files of directories: the tests of the first one, the strings of all.
func read(t *testing.T, dirs ...string) (s source) {
	t.Helper()
	for i, dir := range dirs {
		files, err := filepath.Glob(filepath.Join("../..", dir, "*.go"))
		if err != nil || len(files) == 0 {
			t.Fatalf("no Go files in %s: %v", dir, err)
		}
		for _, name := range files {
			file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(file, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.FuncDecl:
					if i == 0 && n.Recv == nil && strings.HasPrefix(n.Name.Name, forGuests) {
						s.tests = append(s.tests, n.Name.Name)
					}
				case *ast.BasicLit:
					if text, err := strconv.Unquote(n.Value); err == nil && n.Kind == token.STRING {
						s.strings = append(s.strings, text)
					}
				}
				return true
			})
		}
	}
	return s
}

// unknown lists the names of the selection that the source does not have.
func (s selection) unknown(from source) (names []string) {
	begins := func(all []string, beginning string) bool {
		return slices.ContainsFunc(all, func(name string) bool { return strings.HasPrefix(name, beginning) })
	}
	for _, name := range slices.Concat(s.tests, s.without, prefixed("/", s.subtests)) {
		test, path, deep := strings.Cut(name, "/")
		known := begins(from.tests, forGuests+test)
		for _, subtest := range strings.Split(path, "/") {
			known = known && (!deep || begins(from.strings, subtest))
		}
		if !known {
			names = append(names, name)
		}
	}
	return names
}

func prefixed(prefix string, names []string) (all []string) {
	for _, name := range names {
		all = append(all, prefix+name)
	}
	return all
}

// Every name of a selection is that of a test, so that a rename cannot take tests out of the guests unseen.
func TestSelections(t *testing.T) {
	for _, s := range slices.Concat(newest, oldest, everything(t)) {
		if names := s.unknown(read(t, s.dir, "mesh/meshtest")); len(names) > 0 {
			t.Errorf("%s has no tests that begin with %q", s.dir, names)
		}
	}
	unknown := selection{dir: "cni", tests: []string{"Attach", "Gone"}, without: []string{"/nonesuch"},
		subtests: []string{"nowhere"}}
	if got, want := fmt.Sprint(unknown.unknown(read(t, "cni"))), "[Gone /nonesuch /nowhere]"; got != want {
		t.Errorf("unknown are %s, want %s", got, want)
	}
}

func TestSelectionMissing(t *testing.T) {
	r := &result{}
	r.find("TestPrivilegedOne/a_case")
	s := selection{tests: []string{"One", "Other"}, subtests: []string{"a ca", "another"}}
	if got, want := fmt.Sprint(s.missing(r)), "[Other /another]"; got != want {
		t.Errorf("missing are %s, want %s", got, want)
	}
}

// What go test makes of the expressions: the selected tests and no others.
func TestSelectionExpressions(t *testing.T) {
	s := selection{tests: []string{"A", "B"}, without: []string{"AA", "/a case", "/one/two"}, subtests: []string{"x y"}}
	if got, want := s.run(), "^TestPrivileged(A|B)/^(x_y)"; got != want {
		t.Errorf("-run %s, want %s", got, want)
	}
	if got, want := s.skip(), "^TestPrivileged(AA)|/^a_case|/^one/^two"; got != want {
		t.Errorf("-skip %s, want %s", got, want)
	}
}

// notForGuests are packages below mesh whose privileged tests are not about the kernel.
var notForGuests = map[string]string{
	"mesh/kube":      "it tests against an API server",
	"mesh/userspace": "its device is not the kernel's",
}

// hostPackages are the packages with privileged tests of a host's network, new ones included.
func hostPackages(t *testing.T) []string {
	t.Helper()
	found := map[string]bool{"cni": true}
	root := os.DirFS("../..")
	err := fs.WalkDir(root, "mesh", func(file string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(file, "_test.go") {
			return err
		}
		content, err := fs.ReadFile(root, file)
		dir := filepath.Dir(file)
		if strings.Contains(string(content), "\nfunc "+forGuests) && notForGuests[dir] == "" {
			found[dir] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return slices.Sorted(maps.Keys(found))
}

func TestHostPackages(t *testing.T) {
	if got := hostPackages(t); !slices.Contains(got, "mesh/linux") || !slices.Contains(got, "cni") {
		t.Errorf("the packages about a host's network are %q", got)
	}
	for dir := range notForGuests {
		if len(read(t, dir).tests) == 0 {
			t.Errorf("%s has no privileged tests to leave out", dir)
		}
	}
}
