package main

import (
	"encoding/json"
	"strings"
	"testing"

	"warren.mesh/mesh/view"
)

// twoNodes are yet to be made, and overlap in nothing.
const twoNodes = `
apiVersion: v1
kind: Node
metadata: {name: node-a}
spec: {podCIDRs: [10.244.1.0/24]}
status: {addresses: [{type: InternalIP, address: 192.0.2.1}, {type: Hostname, address: node-a}]}
---
apiVersion: v1
kind: List
items:
- apiVersion: v1
  kind: Node
  metadata: {name: node-b, annotations: {warren.mesh/force-endpoint: "198.51.100.2:51820"}}
  spec: {podCIDRs: [10.244.2.0/24]}
  status: {addresses: [{type: InternalIP, address: 192.0.2.2}]}
`

func execute(t *testing.T, stdin string, args ...string) (stdout string, code int, err error) {
	t.Helper()
	var out, diagnostics strings.Builder
	code, err = run(t.Context(), args, streams{strings.NewReader(stdin), &out, &diagnostics})
	return out.String(), code, err
}

func TestPlan(t *testing.T) {
	out, code, err := execute(t, twoNodes, "plan", "-f", "-", "--cluster-cidrs", "10.244.0.0/16", "--node", "node-a")
	if err != nil || code != view.ExitWell {
		t.Fatalf("exit status %d, %v\n%s", code, err, out)
	}
	for _, line := range []string{
		"node-a",
		" announces nothing yet: its key here is a stand-in",
		"  link warren0 mtu 1420 up address 10.244.1.1/32",
		"node node-b endpoint 198.51.100.2:51820 allowed-ips 10.244.2.0/24,192.0.2.2/32",
		"  route 10.244.2.0/24 dev warren0 src 10.244.1.1 table 8787",
		"  firewall cluster-cidrs 10.244.0.0/16",
	} {
		if !strings.Contains(out, line+"\n") {
			t.Errorf("the plan lacks %q:\n%s", line, out)
		}
	}
	if strings.Contains(out, "\nnode-b\n") {
		t.Errorf("node-b's plan is not asked for:\n%s", out)
	}
}

// Who would be left out, and by whom, is a finding. So is a node that could not begin.
func TestPlanFindings(t *testing.T) {
	for name, tt := range map[string]struct{ old, new, want string }{
		"conflict": {"10.244.2.0/24", "10.244.1.0/25", "node node-b: warren.mesh/pod-cidrs: "},
		"no pod CIDR": {
			"podCIDRs: [10.244.2.0/24]", "", "waiting for a pod CIDR: spec.podCIDRs of node node-b has none",
		},
		"malformed": {"192.0.2.2", "192.0.2", `InternalIP of status.addresses "192.0.2" of the Node object`},
	} {
		t.Run(name, func(t *testing.T) {
			nodes := strings.Replace(twoNodes, tt.old, tt.new, 1)
			out, code, err := execute(t, nodes, "plan", "-f", "-")
			if err != nil || code != view.ExitFinding || !strings.Contains(out, tt.want) {
				t.Errorf("exit status %d, %v, want %q in\n%s", code, err, tt.want, out)
			}
		})
	}
}

func TestPlanDocuments(t *testing.T) {
	out, code, err := execute(t, twoNodes, "plan", "-f", "-", "-o", "json")
	var document struct {
		APIVersion, Kind string
		Nodes            []struct {
			Node    string
			Assumed bool
			State   []string
		}
	}
	if err != nil || code != view.ExitWell || json.Unmarshal([]byte(out), &document) != nil {
		t.Fatalf("exit status %d, %v\n%s", code, err, out)
	}
	if document.APIVersion != "warren.mesh/v1" || document.Kind != "Plan" || len(document.Nodes) != 2 ||
		!document.Nodes[0].Assumed || len(document.Nodes[0].State) < 5 {
		t.Errorf("%+v", document)
	}
	if out, _, _ := execute(t, twoNodes, "plan", "-f", "-", "-o", "name"); out != "node-a\nnode-b\n" {
		t.Errorf("names %q", out)
	}
}

// A NodeList leaves the kind of its items out, as the API server does.
func TestReadNodes(t *testing.T) {
	members, err := readNodes(strings.NewReader(`{"kind": "NodeList", "items": [{"metadata": {"name": "node-a"}}]}`))
	if err != nil || len(members) != 1 || members[0].Self.Name != "node-a" {
		t.Errorf("%+v, %v", members, err)
	}
	for text, want := range map[string]string{
		"":                                  "holds no Node",
		"---\n---\n":                        "holds no Node",
		"{kind: Pod}":                       "holds a Pod",
		"kind: Node\nmetadata: [1":          "yaml",
		`{kind: Node, spec: {podCIDRs: 5}}`: "cannot unmarshal",
	} {
		if _, err := readNodes(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want %q", text, err, want)
		}
	}
}

func TestUsage(t *testing.T) {
	for name, args := range map[string][]string{
		"no file":      {"plan"},
		"a bad CIDR":   {"plan", "-f", "-", "--node-cidrs", "10"},
		"a bad format": {"plan", "-f", "-", "-o", "xml"},
		"a bad MTU":    {"plan", "-f", "-", "--mtu", "5"},
		"no command":   {"plam"},
	} {
		if _, code, err := execute(t, twoNodes, args...); code != view.ExitUsage || err == nil {
			t.Errorf("%s: exit status %d, %v", name, code, err)
		}
	}
	if _, code, err := execute(t, "", "plan", "-f", "/nonexistent"); code != view.ExitUnknown || err == nil {
		t.Errorf("no such file: exit status %d, %v", code, err)
	}
	if _, code, err := execute(t, twoNodes, "plan", "-f", "-", "--node", "node-z"); code != view.ExitUsage ||
		!strings.Contains(err.Error(), "node-z") {
		t.Errorf("no such node: exit status %d, %v", code, err)
	}
}
