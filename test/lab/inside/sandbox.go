package inside

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"

	"github.com/containernetworking/cni/libcni"
)

// sandbox is what a container runtime remembers of a pod: DEL and CHECK get the same arguments as ADD did.
type sandbox struct {
	Pod
	// ID is 64 hexadecimal digits, new for each attempt to attach.
	ID string
}

func newSandbox(p Pod) sandbox {
	id := make([]byte, 32)
	// It never returns an error.
	_, _ = rand.Read(id)
	return sandbox{Pod: p, ID: hex.EncodeToString(id)}
}

func sandboxPath(name string) string { return filepath.Join(podDir, name+".json") }

func (s sandbox) save() error {
	content, err := json.Marshal(s)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(podDir, 0o755); err != nil {
		return err
	}
	return os.WriteFile(sandboxPath(s.Name), content, 0o600)
}

func loadSandbox(name string) (s sandbox, err error) {
	content, err := os.ReadFile(sandboxPath(name))
	if err != nil {
		return sandbox{}, err
	}
	return s, json.Unmarshal(content, &s)
}

// Arguments and Capabilities are the names of what containerd passes for every pod; 1.6 has no cgroupPath yet.
// test/cluster holds them against what containerd itself passes.
var (
	Arguments = []string{"IgnoreUnknown", "K8S_POD_INFRA_CONTAINER_ID", "K8S_POD_NAME", "K8S_POD_NAMESPACE",
		"K8S_POD_UID"}
	Capabilities = []string{"cgroupPath", "dns", "io.kubernetes.cri.pod-annotations"}
)

// runtime returns what containerd passes for a pod with a kubelet's defaults (internal/cri/server/sandbox_run.go,
// cniNamespaceOpts and toCNILabels). It passes no ipRanges, and bandwidth for pods with such an annotation only.
func (s sandbox) runtime() *libcni.RuntimeConf {
	return &libcni.RuntimeConf{
		ContainerID: s.ID,
		NetNS:       NetPath(s.Name),
		IfName:      "eth0",
		Args: [][2]string{
			{"IgnoreUnknown", "1"},
			{"K8S_POD_NAMESPACE", s.Namespace},
			{"K8S_POD_NAME", s.Object},
			{"K8S_POD_INFRA_CONTAINER_ID", s.ID},
			{"K8S_POD_UID", s.UID},
		},
		CapabilityArgs: s.capabilities(),
	}
}

func (s sandbox) capabilities() map[string]any {
	capabilities := map[string]any{
		"io.kubernetes.cri.pod-annotations": map[string]string{"kubernetes.io/config.source": "api"},
		"cgroupPath":                        "/kubepods/besteffort/pod" + s.UID,
		"dns": map[string][]string{
			"servers":  {"10.96.0.10"},
			"searches": {"default.svc.cluster.local", "svc.cluster.local", "cluster.local"},
			"options":  {"ndots:5"},
		},
	}
	if len(s.Ports) > 0 {
		capabilities["portMappings"] = s.Ports
	}
	return capabilities
}
