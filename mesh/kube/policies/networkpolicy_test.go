package policies

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"warren.mesh/mesh/policy"
)

var byValue = cmp.Options{
	cmp.Comparer(func(x, y netip.Addr) bool { return x == y }),
	cmp.Comparer(func(x, y netip.Prefix) bool { return x == y }),
	cmp.Comparer(func(x, y policy.Labels) bool { return x == y }),
}

// TestTranslate has each of the API's forms, as YAML of a spec.
func TestTranslate(t *testing.T) {
	pfx := netip.MustParsePrefix
	tcp := func(n uint16) policy.Port { return policy.Port{Protocol: policy.TCP, Number: n} }
	all := policy.Rule{AllPeers: true, AllPorts: true}
	for _, test := range []struct {
		name, spec string
		want       policy.Policy
		problems   []string
	}{
		{"nothing said is ingress", `podSelector: {}`, policy.Policy{IsolatesIngress: true}, nil},
		{"egress rules say egress", `egress: [{}]`,
			policy.Policy{IsolatesIngress: true, IsolatesEgress: true, Egress: []policy.Rule{all}}, nil},
		{"types say all", `{policyTypes: [Egress], ingress: [{}]}`,
			policy.Policy{IsolatesEgress: true, Ingress: []policy.Rule{all}}, nil},
		{"an unknown type closes both directions", `policyTypes: [Sideways]`,
			policy.Policy{IsolatesIngress: true, IsolatesEgress: true}, []string{"spec.policyTypes[0]"}},
		{"no rules and an empty rule", `{policyTypes: [Ingress, Egress], ingress: [], egress: [{}]}`,
			policy.Policy{IsolatesIngress: true, IsolatesEgress: true, Egress: []policy.Rule{all}}, nil},
		{"an empty from is a missing one", `ingress: [{from: [], ports: []}]`,
			policy.Policy{IsolatesIngress: true, Ingress: []policy.Rule{all}}, nil},
		{"selectors", `
podSelector: {matchLabels: {b: "2", a: "1"}, matchExpressions: [{key: c, operator: Exists}]}
ingress: [{from: [{podSelector: {}}, {namespaceSelector: {}}, {podSelector: {}, namespaceSelector: {}}, {}]}]`,
			policy.Policy{
				Pods: policy.Selector{Requirements: []policy.Requirement{
					{Key: "a", Operator: policy.In, Values: []string{"1"}},
					{Key: "b", Operator: policy.In, Values: []string{"2"}}, {Key: "c", Operator: policy.Exists},
				}},
				IsolatesIngress: true,
				Ingress: []policy.Rule{{AllPorts: true, Peers: []policy.Peer{
					{Pods: &policy.Selector{}}, {Namespaces: &policy.Selector{}},
					{Pods: &policy.Selector{}, Namespaces: &policy.Selector{}}, {},
				}}},
			}, nil},
		{"blocks", `
egress: [{to: [{ipBlock: {cidr: 10.1.2.3/8, except: [10.2.0.0/16, x]}}, {ipBlock: {cidr: 010.0.0.0/8}}]}]`,
			policy.Policy{IsolatesIngress: true, IsolatesEgress: true, Egress: []policy.Rule{{
				AllPorts: true, Peers: []policy.Peer{
					{Block: &policy.Block{CIDR: pfx("10.0.0.0/8"), Except: []netip.Prefix{pfx("10.2.0.0/16"), {}}}},
					{Block: &policy.Block{}},
				},
			}}}, nil},
		{"ports", `
ingress: [{ports: [{port: 80}, {port: web}, {protocol: UDP}, {protocol: SCTP, port: 7, endPort: 9}]}]`,
			policy.Policy{IsolatesIngress: true, Ingress: []policy.Rule{{AllPeers: true, Ports: []policy.Port{
				tcp(80), {Protocol: policy.TCP, Name: "web"}, {Protocol: policy.UDP},
				{Protocol: policy.SCTP, Number: 7, End: 9},
			}}}}, nil},
		{"ports that cannot be read open nothing", `
ingress: [{ports: [{port: 0}, {port: 65616}, {port: ""}, {protocol: tcp, port: 1}, {protocol: ICMP}, {endPort: 9},
  {port: 9, endPort: 8}, {port: 9, endPort: 65545}, {port: web, endPort: 9}, {port: 9, endPort: 0}, {port: -1}]}]`,
			policy.Policy{IsolatesIngress: true, Ingress: []policy.Rule{{AllPeers: true}}},
			[]string{
				"spec.ingress[0].ports[0]", "spec.ingress[0].ports[1]", "spec.ingress[0].ports[2]",
				"spec.ingress[0].ports[3]", "spec.ingress[0].ports[4]", "spec.ingress[0].ports[5]",
				"spec.ingress[0].ports[6]", "spec.ingress[0].ports[7]", "spec.ingress[0].ports[8]",
				"spec.ingress[0].ports[9]", "spec.ingress[0].ports[10]",
			}},
	} {
		t.Run(test.name, func(t *testing.T) {
			o := &networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: "x", Name: "p"}}
			if err := yaml.UnmarshalStrict([]byte(test.spec), &o.Spec); err != nil {
				t.Fatal(err)
			}
			got, problems := Translate(o)
			test.want.Namespace, test.want.Name = "x", "p"
			if diff := cmp.Diff(test.want, got, byValue); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			var fields []string
			for _, p := range problems {
				if p.Namespace != "x" || p.Name != "p" || p.Reason == "" {
					t.Errorf("a problem of nothing: %+v", p)
				}
				fields = append(fields, p.Field)
			}
			if diff := cmp.Diff(test.problems, fields); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
		})
	}
}

// FuzzTranslate shows that nothing panics, that what cannot be read opens nothing, and that it is told.
func FuzzTranslate(f *testing.F) {
	f.Add([]byte(`{"ingress":[{"ports":[{"port":0},{"port":""},{"protocol":"x"}],"from":[{"ipBlock":{"cidr":"x"}}]}]}`))
	f.Add([]byte(`{"policyTypes":["x"],"egress":[{"to":[{}],"ports":[{"port":70000,"endPort":1}]}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var o networkingv1.NetworkPolicy
		if yaml.Unmarshal(data, &o.Spec) != nil {
			return
		}
		p, problems := Translate(&o)
		if !p.IsolatesIngress && !p.IsolatesEgress {
			t.Error("isolates nothing")
		}
		refused := 0
		for i, r := range p.Ingress {
			from, ports := o.Spec.Ingress[i].From, o.Spec.Ingress[i].Ports
			refused += len(ports) - len(r.Ports)
			if r.AllPeers != (len(from) == 0) || r.AllPorts != (len(ports) == 0) || len(r.Peers) != len(from) {
				t.Errorf("%+v of %+v", r, o.Spec.Ingress[i])
			}
			for _, port := range r.Ports {
				if port.Number == 0 && port.Name == "" && port.End != 0 {
					t.Errorf("%+v", port)
				}
			}
		}
		if refused > len(problems) {
			t.Errorf("%d ports left out, %d problems", refused, len(problems))
		}
	})
}
