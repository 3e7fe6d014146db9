package cluster_test

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"warren.mesh/mesh/meshtest"
	"warren.mesh/test/cluster"
	"warren.mesh/test/lab"
)

// As many pods as a kubelet allows, all of them isolated, start on a node at once.
func TestPrivilegedLongCrowd(t *testing.T) {
	meshtest.Privileged(t)
	const allowed = 110
	c := cluster.Start(t, cluster.Options{})
	c.Install(t)
	n := c.Node(1)
	out := c.Kubectl(t, "", "get", "pods", "--all-namespaces", "--field-selector=spec.nodeName="+n.Name,
		"--output=name")
	pods := allowed - strings.Count(out, "\n")
	before := additions(t, n)
	begin := time.Now()
	c.Kubectl(t, isolated+"---"+fmt.Sprintf(crowd, pods, n.Name), "apply", "--filename=-")
	// One command that watches: asking again and again would keep a core busy.
	c.Kubectl(t, "", "rollout", "status", "deployment/crowd", "--timeout=15m")
	took := time.Since(begin).Round(time.Second)

	failed := strings.Count(c.Kubectl(t, "", "get", "events", "--field-selector=reason=FailedCreatePodSandBox",
		"--output=name"), "\n")
	added := additions(t, n).since(before)
	t.Logf("%d pods are ready after %v; %v ADD, p50 ≤ %s s, p99 ≤ %s s; pods that took more than one: %d", pods, took,
		added.total(), added.quantile(0.5), added.quantile(0.99), failed)
	if got := n.Metrics(t)["warren_policy_isolated_pods"]; int(got) != pods {
		t.Errorf("%v pods are isolated, want %d", got, pods)
	}
	wantAdopted(t, c)
}

const isolated = `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: crowd}
spec:
  podSelector: {matchLabels: {app: crowd}}
  policyTypes: [Ingress, Egress]
  ingress: [{from: [{podSelector: {matchLabels: {app: crowd}}}], ports: [{port: 8080}]}]
  egress: [{to: [{podSelector: {matchLabels: {app: crowd}}}], ports: [{port: 8080}]}]
`

// histogram counts how many observations were at most the bound of each bucket, in seconds; the last is "+Inf".
type histogram struct {
	bounds []string
	counts []float64
}

// additions are how long containerd has waited for CNI plugins to attach the node's pods.
func additions(t *testing.T, n *lab.Node) (h histogram) {
	t.Helper()
	text := n.MustExec(t, "curl", "--silent", "--fail", "http://"+cluster.RuntimeMetrics+"/v1/metrics")
	for _, match := range attached.FindAllStringSubmatch(text, -1) {
		count, err := strconv.ParseFloat(match[2], 64)
		if err != nil {
			t.Fatal(err)
		}
		h.bounds, h.counts = append(h.bounds, match[1]), append(h.counts, count)
	}
	if len(h.bounds) == 0 {
		t.Fatalf("containerd says nothing of attachments:\n%s", text)
	}
	return h
}

var attached = regexp.MustCompile(`(?m)^containerd_cri_sandbox_create_network_seconds_bucket{le="(.*)"} (.*)$`)

// since returns what was counted after before was read.
func (h histogram) since(before histogram) histogram {
	counts := slices.Clone(h.counts)
	for i, count := range before.counts {
		counts[i] -= count
	}
	return histogram{h.bounds, counts}
}

// total returns how many observations there were.
func (h histogram) total() float64 { return h.counts[len(h.counts)-1] }

// quantile returns the least bound that holds for this part of the observations.
func (h histogram) quantile(part float64) string {
	return h.bounds[slices.IndexFunc(h.counts, func(count float64) bool { return count >= part*h.total() })]
}
