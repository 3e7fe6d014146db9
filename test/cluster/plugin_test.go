package cluster_test

import (
	"encoding/json"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"warren.mesh/mesh/explain"
	"warren.mesh/mesh/view"
	"warren.mesh/test/cluster"
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
	s.looks(t, run)
	from, to := s.web[0], s.web[1]
	families := len(to.Addrs) // The Service's endpoints are of the cluster's families.
	outside := "192.0.2.200"
	if to.Addrs[0].Is6() {
		outside = "2001:db8::200"
	}
	for _, tt := range []struct {
		to         string
		ways, legs int
	}{
		{"default/" + to.Name, 1, 2}, {to.Node.Name, 1, 2}, {"service/default/web", families * len(s.web), 1},
		{outside, 1, 1},
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
	s.beside(t, from, to)
}

// looks looks at the healthy cluster with each command that asks all nodes, as its administrator.
func (s *scene) looks(t *testing.T, run func(into any, args ...string) (code int)) {
	t.Helper()
	nodes := len(s.Nodes())
	for _, args := range [][]string{
		{"peers", "--all"}, {"status", "--all"}, {"doctor", "--all"}, {"doctor", "--all", "--prove"},
	} {
		var d view.ClusterDocument
		if code := run(&d, args...); code != view.ExitWell || len(d.Reports) != nodes || len(d.Unread) > 0 {
			t.Errorf("%q: exit status %d, %d answers of %d nodes; silent are %q, unread %v, not well %+v", args, code,
				len(d.Reports), nodes, d.Silent, d.Unread, view.NotWell(d.Checks))
		}
	}
	var names []string
	for _, n := range s.Nodes() {
		names = append(names, n.Name)
	}
	var p view.PingsDocument
	code := run(&p, "ping", "--all", "--from", strings.Join(names, ","))
	if code != view.ExitWell || len(p.Reports) != nodes {
		t.Errorf("ping: exit status %d, %d answers of %d nodes; silent are %q, not well %+v", code, len(p.Reports),
			nodes, p.Silent, view.NotWell(p.Checks))
	}
	for from, r := range p.Reports {
		if len(r.Peers) != nodes-1 {
			t.Errorf("ping: %s has asked %d of %d nodes", from, len(r.Peers), nodes-1)
		}
	}
}

// beside asks in the container of the device, as the plugin does while that of the daemon crashes: what is on the node
// is seen from there too. The other CNI configuration is a copy of warren's, which changes nothing.
func (s *scene) beside(t *testing.T, from, to cluster.Pod) {
	daemons := s.Pods(t, "kube-system", "app.kubernetes.io/name=warren")
	i := slices.IndexFunc(daemons, func(p cluster.Pod) bool { return p.Node.Name == from.Node.Name })
	ask := func(into any, args ...string) {
		t.Helper()
		args = append([]string{"--namespace=kube-system", "exec", daemons[i].Name, "--container=wireguard", "--",
			"warren"}, append(args, "--output=json")...)
		out, err := s.command(t.Context(), args...).Output()
		if jsonErr := json.Unmarshal(out, into); jsonErr != nil {
			t.Errorf("%q: %v, %v\n%s", args, err, jsonErr, out)
		}
	}
	const other = "/etc/cni/net.d/05-other.conflist"
	from.Node.MustExec(t, "cp", "/etc/cni/net.d/10-warren.conflist", other)
	defer from.Node.MustExec(t, "rm", other)
	var d view.NodeDocument
	ask(&d, "doctor")
	w10 := slices.IndexFunc(d.Checks, func(c view.Check) bool { return c.ID == "W10" })
	if w10 < 0 || d.Checks[w10].Result != view.Warn || !strings.Contains(d.Checks[w10].Detail, other) {
		t.Errorf("doctor beside the daemon: %+v", d.Checks)
	}
	var e explain.Explanation
	ask(&e, "explain", "default/"+from.Name, like(to.Addrs, from.Addrs[0]).String())
	if len(e.Steps) == 0 || e.Steps[0].Name != explain.StepAttachment || e.Steps[0].Result != view.OK {
		t.Errorf("explain beside the daemon: %+v", e)
	}
}
