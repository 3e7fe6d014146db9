package helm_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"
)

// A value changes what it says, and nothing else.
func TestValues(t *testing.T) {
	const (
		pod    = "DaemonSet warren.spec.template.spec"
		config = "ConfigMap warren-HASH.data.WARREN_"
	)
	digest := "sha256:" + strings.Repeat("0123abcd", 8)
	for _, c := range []struct {
		values string
		want   []string
	}{
		{"image: {repository: 'r.example:5000/warren', tag: v1.4.0}", images("r.example:5000/warren:v1.4.0")},
		{"image: {tag: v1, digest: '" + digest + "'}", images("warren.mesh/warren@" + digest)},
		{"image: {pullPolicy: Always}", []string{
			pod + ".containers[0].imagePullPolicy = Always", pod + ".containers[1].imagePullPolicy = Always",
			pod + ".initContainers[0].imagePullPolicy = Always",
		}},
		{"pullSecrets: [one, two]", []string{
			pod + ".imagePullSecrets[0].name = one", pod + ".imagePullSecrets[1].name = two",
		}},
		{"clusterCIDRs: [10.42.0.0/16, 'fd00:42::/56']", []string{
			config + "CLUSTER_CIDRS = 10.42.0.0/16,fd00:42::/56",
		}},
		{"nodeCIDRs: [192.0.2.0/24]", []string{config + "NODE_CIDRS = 192.0.2.0/24"}},
		{"plainFrom: [198.51.100.7/32]", []string{config + "PLAIN_FROM = 198.51.100.7/32"}},
		{"cni: {confDir: /a/net.d, binDir: /a/bin}", []string{
			pod + ".volumes[2].hostPath.path = /a/net.d", pod + ".volumes[4].hostPath.path = /a/bin",
		}},
		{"port: 4500", []string{
			config + "PORT = 4500",
			pod + ".containers[0].ports[2].containerPort = 4500", pod + ".containers[0].ports[2].hostPort = 4500",
		}},
		{"wireguard: kernel", []string{config + "WIREGUARD = kernel"}},
		{"mtu: 1380", []string{config + "MTU = 1380"}},
		{"networkPolicy: false", []string{config + "NETWORK_POLICY = off"}},
		{"flags: {WARREN_MASS_REMOVAL_DELAY: 10m}", []string{config + "MASS_REMOVAL_DELAY = 10m"}},
		{"monitoring: {podMonitor: false}", nil},
	} {
		t.Run(c.values, func(t *testing.T) {
			if diff := cmp.Diff(c.want, changes(t, c.values)); diff != "" {
				t.Errorf("changes (-want +got):\n%s", diff)
			}
		})
	}
}

// The README's values are taken, and say what its overlay for kustomize says.
func TestReadmesValues(t *testing.T) {
	_, block, found := strings.Cut(read(t, "../README.md"), "# site/values.yaml\n")
	block, _, closed := strings.Cut(block, "```")
	if !found || !closed {
		t.Fatal("README.md has no site/values.yaml")
	}
	if diff := cmp.Diff(images("registry.example/warren:1"), changes(t, block)); diff != "" {
		t.Errorf("changes (-want +got):\n%s", diff)
	}
}

func images(image string) []string {
	const pod = "DaemonSet warren.spec.template.spec"
	return []string{
		pod + ".containers[0].image = " + image, pod + ".containers[1].image = " + image,
		pod + ".initContainers[0].image = " + image,
	}
}

// changes returns what these values change: the fields that the default lacks or has with another value.
func changes(t *testing.T, values string) (changed []string) {
	t.Helper()
	var v object
	if err := yaml.Unmarshal([]byte(values), &v); err != nil {
		t.Fatal(err)
	}
	was, now := render(t, nil), render(t, v)
	known := flat(t, was)
	for _, line := range flat(t, now) {
		if !slices.Contains(known, line) {
			changed = append(changed, line)
		}
	}
	if slices.ContainsFunc(changed, func(line string) bool { return strings.HasPrefix(line, "ConfigMap") }) ==
		(configMap(t, was) == configMap(t, now)) {
		t.Errorf("the ConfigMap's name is %s, and was %s", configMap(t, now), configMap(t, was))
	}
	return changed
}

// configMap returns the name of the ConfigMap.
func configMap(t *testing.T, objects map[string]object) string {
	t.Helper()
	for id := range objects {
		if name, ok := strings.CutPrefix(id, "ConfigMap warren-"); ok && name != "dashboard" {
			return "warren-" + name
		}
	}
	t.Fatal("no ConfigMap")
	return ""
}

// flat returns a line for each field of the objects. The ConfigMap's name is warren-HASH in them.
func flat(t *testing.T, objects map[string]object) (lines []string) {
	t.Helper()
	name := configMap(t, objects)
	var walk func(path string, value any)
	walk = func(path string, value any) {
		switch v := value.(type) {
		case object:
			for _, key := range slices.Sorted(maps.Keys(v)) {
				walk(path+"."+key, v[key])
			}
		case []any:
			for i, e := range v {
				walk(fmt.Sprintf("%s[%d]", path, i), e)
			}
		default:
			lines = append(lines, strings.ReplaceAll(fmt.Sprintf("%s = %v", path, v), name, "warren-HASH"))
		}
	}
	for _, id := range slices.Sorted(maps.Keys(objects)) {
		walk(id, objects[id])
	}
	return lines
}

// Roles may be left out; the policies may not.
func TestRoles(t *testing.T) {
	got := render(t, object{"rbac": object{"create": false, "people": false}})
	var left []string
	for id := range render(t, nil) {
		if got[id] == nil {
			left = append(left, id)
		}
	}
	slices.Sort(left)
	want := []string{"ClusterRole warren", "ClusterRole warren-view", "ClusterRoleBinding warren", "Role warren-debug"}
	if diff := cmp.Diff(want, left); diff != "" {
		t.Errorf("left out (-want +got):\n%s", diff)
	}
}

// All that is in a namespace is in the release's, and the account that is bound is the one there.
func TestNamespace(t *testing.T) {
	all := object{"podMonitor": true, "alerts": true, "dashboard": true}
	objects, err := tryRender(t, "mesh", object{"monitoring": all})
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range flat(t, objects) {
		if strings.Contains(line, namespace) {
			t.Errorf("still in %s: %s", namespace, line)
		}
	}
	if !slices.Contains(flat(t, objects), "ClusterRoleBinding warren.subjects[0].namespace = mesh") {
		t.Error("the ClusterRole is bound to an account elsewhere")
	}
}

// A value that the chart does not know, or that cannot be right, is refused with its name.
func TestUnknownValuesAreRefused(t *testing.T) {
	for values, want := range map[string]string{
		"clusterCidrs: [10.0.0.0/8]":          "clusterCidrs",
		"image: {name: warren}":               "name",
		"cni: {dir: /etc/cni}":                "dir",
		"monitoring: {dashboards: true}":      "dashboards",
		"rbac: {enabled: false}":              "enabled",
		"flags: {WARREN_PORT: '1'}":           "WARREN_PORT",
		"flags: {mtu: '1'}":                   "mtu",
		"flags: {WARREN_LOG_LEVEL: 1}":        "WARREN_LOG_LEVEL",
		"clusterCIDRs: []":                    "clusterCIDRs",
		"clusterCIDRs: 10.0.0.0/8":            "clusterCIDRs",
		"clusterCIDRs: [10.0.0.1]":            "clusterCIDRs",
		"clusterCIDRs: [node/8]":              "clusterCIDRs",
		"nodeCIDRs: [node1]":                  "nodeCIDRs",
		"port: 0":                             "port",
		"port: '51820'":                       "port",
		"port: 65536":                         "port",
		"wireguard: fast":                     "wireguard",
		"mtu: -1":                             "mtu",
		"networkPolicy: on-and-off":           "networkPolicy",
		"image: {digest: 'sha256:1'}":         "digest",
		"image: {repository: 'warren:1'}":     "repository",
		"cni: {confDir: etc/cni, binDir: /a}": "confDir",
	} {
		var v object
		if err := yaml.Unmarshal([]byte(values), &v); err != nil {
			t.Fatal(err)
		}
		if _, err := tryRender(t, namespace, v); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: want an error that names %s, got: %v", values, want, err)
		}
	}
}
