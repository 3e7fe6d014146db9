package cluster

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"warren.mesh/test/lab"
	"warren.mesh/test/lab/artifact"
)

// Specs selects tests of Kubernetes' own.
type Specs struct {
	// Focus and Skip are regular expressions on the tests' full names. An empty Skip skips none.
	Focus, Skip string
	// Processes is how many tests run at once; 0 means 1.
	Processes int
}

// Conform runs upstream's tests on the running cluster of this name and prints their output. It fails if a test fails,
// or if no test was selected.
func Conform(ctx context.Context, name string, s Specs, progress func(string, ...any)) error {
	b, err := builder(ctx, progress)
	if err != nil {
		return err
	}
	command, err := s.command(ctx, b.Root, b.Cache, lab.AdminKubeconfig(name))
	if err != nil {
		return err
	}
	if err := lab.Enter(name, "control", command); err != nil {
		return fmt.Errorf("run upstream's tests: %w", err)
	}
	return nil
}

// Conform runs upstream's tests as a part of t and returns how many passed.
func (c *Cluster) Conform(t lab.TB, s Specs) (passed int) {
	t.Helper()
	command, err := s.command(t.Context(), c.Root(), c.Artifacts(), c.Authority().File("admin.kubeconfig"))
	if err != nil {
		t.Fatalf("prepare upstream's tests: %v", err)
	}
	out, err := c.Control.ExecContext(t.Context(), command[0], command[1:]...)
	if err != nil {
		t.Errorf("upstream's tests: %v", err)
	}
	passed = strings.Count(out, passedMark)
	t.Logf("%d of upstream's tests passed: %s", passed, took.FindString(out))
	return passed
}

// What ginkgo prints for each test that passed, and when all tests passed.
const passedMark = "•"

var took = regexp.MustCompile(`SUCCESS! \S+`)

// command returns the command for the control machine. It builds both programs if they are missing.
func (s Specs) command(ctx context.Context, root string, cache artifact.Cache, kubeconfig string) ([]string, error) {
	if s.Focus == "" {
		return nil, errors.New("say which of upstream's tests to run")
	}
	tests, ginkgo, err := conformancePrograms(ctx, root, cache)
	if err != nil {
		return nil, err
	}
	command := []string{
		ginkgo, "run", "--procs=" + strconv.Itoa(max(1, s.Processes)), "--no-color", "--succinct",
		"--fail-on-empty", "--focus=" + s.Focus,
	}
	if s.Skip != "" {
		command = append(command, "--skip="+s.Skip)
	}
	return append(command, tests, "--", "--provider=skeleton", "--kubeconfig="+kubeconfig, "--num-nodes=-1"), nil
}

// conformancePrograms returns the paths of upstream's tests and of what runs them, and builds them if they are missing.
func conformancePrograms(ctx context.Context, root string, cache artifact.Cache) (tests, ginkgo string, err error) {
	if tests, err = cache.Get(ctx, artifact.Conformance(root)); err != nil {
		return "", "", err
	}
	ginkgo, err = cache.Get(ctx, artifact.Ginkgo(root))
	return tests, ginkgo, err
}
