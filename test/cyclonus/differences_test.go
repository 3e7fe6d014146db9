package cyclonus

import (
	"net/netip"
	"testing"

	"warren.mesh/mesh/policy"
)

// TestKnownDifferences shows where the two differ, and says why.
func TestKnownDifferences(t *testing.T) {
	pods := func(namespaces *policy.Selector, r ...policy.Requirement) []policy.Rule {
		peer := policy.Peer{Pods: &policy.Selector{Requirements: r}, Namespaces: namespaces}
		return []policy.Rule{{Peers: []policy.Peer{peer}, AllPorts: true}}
	}
	blocks := func(cidrs ...string) []policy.Rule {
		r := policy.Rule{AllPorts: true}
		for _, cidr := range cidrs {
			r.Peers = append(r.Peers, policy.Peer{Block: &policy.Block{CIDR: netip.MustParsePrefix(cidr)}})
		}
		return []policy.Rule{r}
	}
	for _, d := range []struct {
		reason         string
		client         string
		rules          []policy.Rule
		judge, another bool
	}{
		{
			"a node's processes reach its own pods: the kubelet's probes must come through",
			"192.0.2.1", nil, true, false,
		},
		{
			"a pod reaches itself: networking.k8s.io/v1 says that policies do not forbid it",
			"10.244.0.2", nil, true, false,
		},
		{
			"NotIn is met by pods without the label, as labels.Requirement in k8s.io/apimachinery has it",
			"10.244.0.4", pods(nil, policy.Requirement{Key: "missing", Operator: policy.NotIn, Values: []string{"a"}}),
			true, false,
		},
		{
			"hosts reach remote pods from their gateway addresses, so a block with the node's address has those",
			"10.244.1.1", blocks("192.0.2.2/32"), true, false,
		},
		{
			"all pods of all namespaces are known by their nodes' pod CIDRs, before their status has their addresses",
			"10.244.1.77", pods(&policy.Selector{}), true, false,
		},
	} {
		t.Run(d.reason, func(t *testing.T) {
			c := newCluster(1)
			for i := range c.pods {
				c.pods[i].Namespace = "x"
			}
			p := policy.Policy{Namespace: "x", Name: "p", IsolatesIngress: true, Ingress: d.rules}
			c.policies = []policy.Policy{p}
			server := netip.MustParseAddr("10.244.0.2")
			conn := policy.Connection{
				Client: netip.MustParseAddr(d.client), Server: server, Protocol: policy.TCP, Port: 80,
			}
			if got := c.judge(conn); got != d.judge {
				t.Errorf("Judge says %t", got)
			}
			if got := c.allowed(c.matcher(), conn); got != d.another {
				t.Errorf("cyclonus says %t: no difference any more", got)
			}
		})
	}
}
