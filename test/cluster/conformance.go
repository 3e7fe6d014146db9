package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"warren.mesh/test/lab"
	"warren.mesh/test/lab/artifact"
)

// Specs selects tests of Kubernetes' own.
type Specs struct {
	// Focus and Skip are regular expressions on the tests' full names. An empty Skip skips none.
	Focus, Skip string
	// Processes is how many tests run at once; 0 means 1.
	Processes int

	// report is the file for ginkgo's report; empty means none.
	report string
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

// Conform runs upstream's tests as a part of t, which fails if one of them does, and returns what came of them.
func (c *Cluster) Conform(t lab.TB, s Specs) Results {
	t.Helper()
	s.report = filepath.Join(c.Dir, "upstream.json")
	command, err := s.command(t.Context(), c.Root(), c.Artifacts(), c.Authority().File("admin.kubeconfig"))
	if err != nil {
		t.Fatalf("prepare upstream's tests: %v", err)
	}
	start := time.Now()
	if _, err := c.Control.ExecContext(t.Context(), command[0], command[1:]...); err != nil {
		t.Errorf("upstream's tests: %v", err)
	}
	report, err := os.ReadFile(s.report)
	if err != nil {
		t.Fatalf("upstream's tests left no report: %v", err)
	}
	r, err := readResults(report)
	if err != nil {
		t.Fatalf("%v", err)
	}
	t.Logf("upstream's tests, in %v: %v", time.Since(start).Round(time.Second), r)
	return r
}

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
		// Ginkgo's own limit is an hour, for all tests together. Each test's own limits stay.
		"--fail-on-empty", "--timeout=6h", "--focus=" + s.Focus,
	}
	if s.report != "" {
		command = append(command, "--output-dir="+filepath.Dir(s.report), "--json-report="+filepath.Base(s.report))
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
