package cluster_test

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	current "github.com/containernetworking/cni/pkg/types/100"
	"github.com/google/go-cmp/cmp"

	"warren.mesh/cni/gate"
	"warren.mesh/test/cluster"
	"warren.mesh/test/lab/inside"
)

// cached is libcni's record of an attachment (libcni/api.go, cachedInfo).
type cached struct {
	ContainerID    string          `json:"containerId"`
	IfName         string          `json:"ifName"`
	CNIArgs        [][2]string     `json:"cniArgs"`
	CapabilityArgs map[string]any  `json:"capabilityArgs"`
	Result         *current.Result `json:"result"`
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
		wantAttachment(t, c, a)
	}
}

// wantAttachment expects the record to say all of the pod that the gate would be told, as the API server and the node
// have it.
func wantAttachment(t *testing.T, c *cluster.Cluster, of cached) {
	t.Helper()
	a, err := gate.Attached{Key: gate.Key{Container: of.ContainerID, Interface: of.IfName}, Args: of.CNIArgs,
		Result: of.Result}.Attachment("warren-br0")
	if err != nil {
		t.Errorf("libcni's cache says too little: %v", err)
		return
	}
	pod := strings.Fields(c.Kubectl(t, "", "get", "pod", "--namespace="+a.Namespace, a.Name,
		"--output=jsonpath={.metadata.uid} {.status.podIPs[*].ip}"))
	want := []string{a.UID}
	for _, addr := range a.Addrs {
		want = append(want, addr.String())
	}
	if diff := cmp.Diff(pod, want); diff != "" {
		t.Errorf("%s/%s (-API server +cache):\n%s", a.Namespace, a.Name, diff)
	}
	if out := c.Nodes()[0].MustExec(t, "ip", "link", "show", "dev", a.Port, "master", "warren-br0"); out == "" {
		t.Errorf("%s/%s: %s is no port of the bridge", a.Namespace, a.Name, a.Port)
	}
}
