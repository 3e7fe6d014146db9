package manifests_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
)

// asks is what a pod wants of its node.
type asks struct {
	// Capabilities are by container, paths are the host's.
	Capabilities map[string][]corev1.Capability
	Paths        []string
}

// The daemon asks for one capability, and for no more of the host than is listed here.
func testPod(t *testing.T, pod corev1.PodSpec) {
	wantAsks(t, pod, asks{
		Capabilities: map[string][]corev1.Capability{"install-cni": nil, "warren": {"NET_ADMIN"},
			"wireguard": {"NET_ADMIN"}},
		Paths: []string{"/dev/net", "/etc/cni/net.d", "/opt/cni/bin", "/proc/sys/net", "/run/warren",
			"/var/lib/cni", "/var/lib/warren", "/var/run/wireguard"},
	})
}

func wantAsks(t *testing.T, pod corev1.PodSpec, want asks) {
	t.Helper()
	got := asks{Capabilities: map[string][]corev1.Capability{}}
	for _, c := range slices.Concat(pod.InitContainers, pod.Containers) {
		s := c.SecurityContext
		if s.Privileged != nil || *s.AllowPrivilegeEscalation || !*s.ReadOnlyRootFilesystem ||
			!slices.Equal(s.Capabilities.Drop, []corev1.Capability{"ALL"}) {
			t.Errorf("container %s: security context %v", c.Name, s)
		}
		got.Capabilities[c.Name] = s.Capabilities.Add
	}
	for _, v := range pod.Volumes {
		if v.HostPath != nil {
			got.Paths = append(got.Paths, v.HostPath.Path)
		}
	}
	slices.Sort(got.Paths)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, c := range pod.Containers {
		for _, p := range c.Ports {
			if p.HostIP != "" && p.HostPort == 0 {
				t.Errorf("port %s has a hostIP and no hostPort, of which kubectl apply warns", p.Name)
			}
		}
	}
	if pod.HostPID || pod.HostIPC || !pod.HostNetwork {
		t.Errorf("hostPID %v, hostIPC %v, hostNetwork %v", pod.HostPID, pod.HostIPC, pod.HostNetwork)
	}
}
