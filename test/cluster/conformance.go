package cluster

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"warren.mesh/test/lab"
	"warren.mesh/test/lab/artifact"
)

// Specs says which of Kubernetes' own tests to run.
type Specs struct {
	// Focus and Skip are regular expressions on the tests' full names; an empty Skip skips none.
	Focus, Skip string
	// Processes is how many run at once; 0 means 1.
	Processes int
}

// Conform runs upstream's tests on a cluster that runs, with their output on this process's own, and fails where one does, or where
// none was chosen.
func Conform(ctx context.Context, name string, s Specs, progress func(string, ...any)) error {
	if s.Focus == "" {
		return errors.New("run upstream's tests: say which ones")
	}
	b, err := builder(ctx, progress)
	if err != nil {
		return err
	}
	tests, err := b.Cache.Get(ctx, artifact.Conformance(b.Root))
	if err != nil {
		return err
	}
	ginkgo, err := b.Cache.Get(ctx, artifact.Ginkgo(b.Root))
	if err != nil {
		return err
	}
	args := []string{
		ginkgo, "run", "--procs=" + strconv.Itoa(max(1, s.Processes)), "--no-color", "--succinct",
		"--fail-on-empty", "--focus=" + s.Focus,
	}
	if s.Skip != "" {
		args = append(args, "--skip="+s.Skip)
	}
	args = append(args, tests, "--", "--provider=skeleton", "--kubeconfig="+lab.AdminKubeconfig(name), "--num-nodes=-1")
	if err := lab.Enter(name, "control", args); err != nil {
		return fmt.Errorf("run upstream's tests: %w", err)
	}
	return nil
}
