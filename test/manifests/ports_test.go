package manifests_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"warren.mesh/mesh"
	"warren.mesh/mesh/probe"
)

// The DaemonSet declares what the daemon and the device listen on, so that the scheduler places no pod there whose
// hostPort would take their packets: portmap translates what comes to any address of the node, gateways among them.
func TestDeclaredPorts(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(base(t), "daemonset.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var ds appsv1.DaemonSet
	if err := yaml.UnmarshalStrict(text, &ds); err != nil {
		t.Fatal(err)
	}
	wireguard, probes := int32(mesh.Defaults().Port), int32(probe.Port)
	want := []corev1.ContainerPort{
		{Name: "metrics", ContainerPort: 18787},
		{Name: "health", ContainerPort: 18788, HostPort: 18788, HostIP: "127.0.0.1"},
		{Name: "wireguard", ContainerPort: wireguard, HostPort: wireguard, Protocol: corev1.ProtocolUDP},
		{Name: "probes", ContainerPort: probes, HostPort: probes, Protocol: corev1.ProtocolUDP},
	}
	var got []corev1.ContainerPort
	for _, c := range ds.Spec.Template.Spec.Containers {
		got = append(got, c.Ports...)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("ports (-want +got):\n%s", diff)
	}
}
