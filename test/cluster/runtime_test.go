package cluster_test

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"warren.mesh/test/cluster"
	"warren.mesh/test/lab/inside"
)

// cached is libcni's record of an attachment (libcni/api.go, cachedInfo).
type cached struct {
	CNIArgs        [][2]string    `json:"cniArgs"`
	CapabilityArgs map[string]any `json:"capabilityArgs"`
	Result         struct {
		CNIVersion string `json:"cniVersion"`
	} `json:"result"`
}

// wantRuntime reads what containerd has told the plugins of the pods: the version of CNI that is the newest of those
// that the release and warren's configuration know, and what the lab passes in its place.
func wantRuntime(t *testing.T, c *cluster.Cluster, r cluster.Runtime) {
	t.Helper()
	version, capabilities := "1.1.0", inside.Capabilities
	if r == cluster.Debian {
		version = "1.0.0"
		capabilities = slices.DeleteFunc(slices.Clone(capabilities), func(c string) bool { return c == "cgroupPath" })
	}
	records := json.NewDecoder(strings.NewReader(
		c.Nodes()[0].MustExec(t, "sh", "-c", "cat /var/lib/cni/results/warren-*-eth0")))
	for records.More() {
		var a cached
		if err := records.Decode(&a); err != nil {
			t.Fatalf("read libcni's cache: %v", err)
		}
		var arguments []string
		for _, argument := range a.CNIArgs {
			arguments = append(arguments, argument[0])
		}
		slices.Sort(arguments)
		if diff := cmp.Diff(inside.Arguments, arguments); diff != "" {
			t.Errorf("arguments (-lab +containerd):\n%s", diff)
		}
		// Only pods with host ports have this one.
		delete(a.CapabilityArgs, "portMappings")
		if diff := cmp.Diff(capabilities, slices.Sorted(maps.Keys(a.CapabilityArgs))); diff != "" {
			t.Errorf("capabilities (-lab +containerd):\n%s", diff)
		}
		if a.Result.CNIVersion != version {
			t.Errorf("CNI version %s, want %s", a.Result.CNIVersion, version)
		}
	}
}
