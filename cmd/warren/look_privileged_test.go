package main

import (
	"encoding/json"
	"slices"
	"testing"

	"warren.mesh/mesh/guard"
	"warren.mesh/mesh/meshtest"
	"warren.mesh/mesh/view"
	"warren.mesh/test/lab/namespace"
)

// Without a daemon and without the guard's table, nothing keeps plain text out, and nothing counts it: the guard is not
// said to be well.
func TestPrivilegedNoGuard(t *testing.T) {
	meshtest.Privileged(t)
	namespace.Enter(t)
	check := func(id, command string) view.Check {
		t.Helper()
		out, _ := execute(t, command, "--run-dir", t.TempDir(), "-o", "json")
		var d view.NodeDocument
		if err := json.Unmarshal([]byte(out), &d); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		i := slices.IndexFunc(d.Checks, func(c view.Check) bool { return c.Name == id || c.ID == id })
		if i < 0 {
			t.Fatalf("no check %s:\n%s", id, out)
		}
		return d.Checks[i]
	}
	for _, want := range []view.Result{view.Unknown, view.OK} {
		for id, command := range map[string]string{"guard": "status", "W15": "doctor"} {
			if c := check(id, command); c.Result != want {
				t.Errorf("warren %s: %+v, want %s", command, c, want)
			}
		}
		// The second time there is a table, of which nothing but its counters is right.
		namespace.Run(t, "nft add table inet "+guard.Table.Name+"\nnft add counter inet "+guard.Table.Name+" leak-pod")
	}
}
