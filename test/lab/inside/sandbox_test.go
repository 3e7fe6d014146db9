package inside

import (
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSandboxPasses(t *testing.T) {
	pod := Pod{Name: "web", Namespace: "default", Object: "web", UID: "38c1cc3a-4d2f-4a3e-9d6b-0d3e6c1f9a10",
		Ports: []Port{{HostPort: 8080, ContainerPort: 80, Protocol: "tcp"}}}
	passed := newSandbox(pod).runtime()
	var arguments []string
	for _, a := range passed.Args {
		arguments = append(arguments, a[0])
		if a[1] == "" {
			t.Errorf("%s is empty", a[0])
		}
	}
	slices.Sort(arguments)
	if diff := cmp.Diff(Arguments, arguments); diff != "" {
		t.Errorf("arguments (-want +got):\n%s", diff)
	}
	want := append(slices.Clone(Capabilities), "portMappings")
	if diff := cmp.Diff(want, slices.Sorted(maps.Keys(passed.CapabilityArgs))); diff != "" {
		t.Errorf("capabilities (-want +got):\n%s", diff)
	}
	if _, ok := newSandbox(Pod{Name: "web"}).runtime().CapabilityArgs["portMappings"]; ok {
		t.Error("a pod without host ports has port mappings")
	}
	if again := newSandbox(pod).runtime(); len(again.ContainerID) != 64 || again.ContainerID == passed.ContainerID {
		t.Errorf("the IDs of two attempts are %s and %s", passed.ContainerID, again.ContainerID)
	}
}
