package cluster

import (
	"net/netip"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/util/yaml"

	"warren.mesh/test/cluster/image"
	"warren.mesh/test/lab"
)

// What is expanded is YAML, whatever the values.
func TestTemplates(t *testing.T) {
	dns := map[string]any{"Image": image.DNSName, "Addr": netip.MustParseAddr("fd00:10:96::a")}
	served := map[string]any{"Workload": Workload{Name: "web", Port: 8080}, "Image": image.AgnhostName,
		"Args": `["netexec","a: b"]`}
	silent := map[string]any{"Workload": Workload{Name: "n", HostNetwork: true}, "Image": image.AgnhostName,
		"Args": `[]`}
	kubelet := map[string]any{"CA": "/ca", "Certificate": "/crt", "Key": "/key", "Cgroup": "warren.x.node1",
		"DNS": "::1"}
	for name, test := range map[string]struct {
		text      string
		values    map[string]any
		documents int
	}{
		"dns":    {dnsTemplate, dns, 6},
		"served": {workloadTemplate, served, 2},
		"silent": {workloadTemplate, silent, 1},
		"overlay": {overlayTemplate, map[string]any{"Base": "../../x",
			"Settings": []string{"WARREN_CLUSTER_CIDRS=10.0.0.0/8,fd00::/48", "WARREN_NETWORK_POLICY=off"}}, 1},
		"kubelet": {kubeletTemplate, kubelet, 1},
	} {
		documents := strings.Split(string(expand(test.text, test.values)), "\n---\n")
		if len(documents) != test.documents {
			t.Errorf("%s: %d documents", name, len(documents))
		}
		for _, document := range documents {
			var object struct{ Kind string }
			if err := yaml.Unmarshal([]byte(document), &object); err != nil || object.Kind == "" {
				t.Errorf("%s: %v in\n%s", name, err, document)
			}
		}
	}
}

func TestExpandWithoutAValue(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("a template without its value was expanded")
		}
	}()
	expand("{{.Absent}}", map[string]any{})
}

func TestOptions(t *testing.T) {
	if got, want := (Options{}).complete(), (Options{Nodes: 2, Family: lab.IPv4, Proxy: NFTables,
		Runtime: Current}); got != want {
		t.Errorf("got %+v", got)
	}
	full := Options{Name: "x", Nodes: 3, Family: lab.Dual, Proxy: IPTables, Runtime: Debian, Keep: true}
	if got := full.complete(); got != full {
		t.Errorf("got %+v", got)
	}
}
