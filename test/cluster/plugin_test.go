package cluster_test

import (
	"encoding/json"
	"os/exec"
	"path/filepath"
	"testing"

	"warren.mesh/mesh/explain"
	"warren.mesh/mesh/view"
)

// buildPlugin builds kubectl's plugin where the cluster's kubectl finds it.
func (s *scene) buildPlugin(t *testing.T) (path string) {
	t.Helper()
	path = filepath.Join(s.Dir, "bin", "kubectl-warren")
	build := exec.Command("go", "build", "-o", path, "warren.mesh/cmd/kubectl-warren")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return path
}

// plugin asks the daemons by exec, from outside of the cluster, with kubectl's plugin.
func (s *scene) plugin(t *testing.T) {
	path := s.buildPlugin(t)
	run := func(into any, args ...string) (code int) {
		t.Helper()
		cmd := exec.Command(path, append(args, "--kubeconfig", s.Kubeconfig, "-o", "json")...)
		out, err := cmd.Output()
		if err := json.Unmarshal(out, into); err != nil {
			t.Fatalf("%q: %v\n%s", args, err, out)
		}
		if err != nil {
			t.Logf("%q: %v\n%s", args, err, out)
		}
		return cmd.ProcessState.ExitCode()
	}
	var d view.ClusterDocument
	if code := run(&d, "peers", "--all"); code != view.ExitWell || len(d.Reports) != len(s.Nodes()) {
		t.Errorf("peers: exit status %d, %d answers of %d nodes; silent are %q", code, len(d.Reports), len(s.Nodes()),
			d.Silent)
	}
	from, to := s.web[0], s.web[1]
	families := len(to.Addrs) // The Service's endpoints are of the cluster's families.
	for _, tt := range []struct {
		to         string
		ways, legs int
	}{
		{"default/" + to.Name, 1, 2}, {to.Node.Name, 1, 2}, {"service/default/web", families * len(s.web), 1},
		{"192.0.2.200", 1, 1},
	} {
		var ways explain.Ways
		code := run(&ways, "explain", "default/"+from.Name, tt.to)
		if code != view.ExitWell || len(ways.Ways) != tt.ways {
			t.Errorf("explain %s: exit status %d, %d ways, want %d", tt.to, code, len(ways.Ways), tt.ways)
		}
		for _, w := range ways.Ways {
			if w.Verdict != "would pass" || len(w.Legs) < tt.legs {
				t.Errorf("%v: %s, %d legs", w, w.Verdict, len(w.Legs))
			}
		}
	}
}
