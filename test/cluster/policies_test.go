package cluster_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"warren.mesh/test/cluster"
	"warren.mesh/test/lab"
	"warren.mesh/test/lab/host"
)

// policies denies, and then allows, what pods say to those of their own node, of the other, and to a Service.
func (s *scene) policies(t *testing.T) {
	clients := adopt(t, s.Cluster, cluster.Workload{Name: "client", Args: []string{"pause"}})
	targets := servers(t, s.Cluster)
	wantConnections(t, "without policies", clients, targets, true)
	s.Kubectl(t, denyIngress, "apply", "--filename=-")
	wantConnections(t, "nobody may connect to servers", clients, targets, false)
	t.Run("probes", s.probes)
	s.Kubectl(t, allowIngress, "apply", "--filename=-")
	wantConnections(t, "clients may", clients, targets, true)
	if out, err := s.Fetch(t, s.web[0], url(s.web[1].Addrs[0], webPort, "/hostname")); err == nil {
		t.Errorf("a server that is no client was answered by another: %q", out)
	}
	s.Kubectl(t, denyEgress, "apply", "--filename=-")
	wantConnections(t, "clients may connect to nobody", clients, targets, false)
	s.wantKept(t, 3)
	s.Kubectl(t, allowEgress, "apply", "--filename=-")
	wantConnections(t, "clients may connect to servers", clients, targets, true)
	s.Kubectl(t, "", "delete", "networkpolicies", "--all")
	wantConnections(t, "policies are gone", clients, targets, true)
}

// adopt runs a workload and returns its pods, with their networks at hand.
func adopt(t *testing.T, c *cluster.Cluster, w cluster.Workload) (pods []*host.Host) {
	t.Helper()
	for _, pod := range c.Spread(t, w) {
		pods = append(pods, c.Adopt(t, pod))
	}
	return pods
}

// servers are where the scene's web servers listen: each pod, and then their Service.
func servers(t *testing.T, c *cluster.Cluster) (targets []netip.AddrPort) {
	t.Helper()
	for _, pod := range c.Pods(t, "default", "app=web") {
		for _, addr := range pod.Addrs {
			targets = append(targets, netip.AddrPortFrom(addr, webPort))
		}
	}
	for _, addr := range c.Service(t, "web").Addrs {
		targets = append(targets, netip.AddrPortFrom(addr, 80))
	}
	return targets
}

// wantConnections waits until every client reaches every target, or none does.
func wantConnections(t *testing.T, what string, clients []*host.Host, targets []netip.AddrPort, want bool) {
	t.Helper()
	lab.Wait(t, time.Minute, what, func() error {
		var all sync.WaitGroup
		errs := make([]error, len(clients)*len(targets))
		for i := range errs {
			all.Go(func() { errs[i] = connects(t, clients[i/len(targets)], targets[i%len(targets)], want) })
		}
		all.Wait()
		return errors.Join(errs...)
	})
}

// connects is nil if the client reaches the target as wanted. A policy's refusal is silence.
func connects(t *testing.T, client *host.Host, target netip.AddrPort, want bool) error {
	patience := time.Second
	if want {
		patience *= 5
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	conn, err := client.Dial(ctx, "tcp", target.String())
	if err == nil {
		_ = conn.Close()
	}
	if want {
		return err
	}
	if err == nil {
		return fmt.Errorf("%s → %v: connected", client.Name, target)
	}
	// The context's own end, or that of the socket's deadline, which the dialer takes from it.
	if silent := net.Error(nil); !errors.As(err, &silent) || !silent.Timeout() {
		return fmt.Errorf("%s → %v: not a policy's refusal: %w", client.Name, target, err)
	}
	return nil
}

// probes shows that kubelets reach pods that nobody else reaches, and that policies made together with pods hold for
// their first packets.
func (s *scene) probes(t *testing.T) {
	server := netip.AddrPortFrom(s.web[0].Addrs[0], webPort)
	timeout := "--timeout=" + patience.String()
	s.Kubectl(t, closed, "apply", "--filename=-")
	s.Kubectl(t, "", "--namespace=closed", "wait", "serviceaccount/default", "--for=create", timeout)
	manifest := probed
	for i, n := range s.Nodes() {
		manifest += fmt.Sprintf(eager, i, n.Name, server)
	}
	s.Kubectl(t, manifest, "apply", "--filename=-")
	s.Kubectl(t, "", "--namespace=closed", "wait", "pod/probed", "--for=condition=Ready", timeout)
	began := s.readySince(t)
	s.Kubectl(t, "", "--namespace=closed", "wait", "pod", "--selector=app=eager",
		"--for=jsonpath={.status.phase}=Failed", timeout)
	for i := range s.Nodes() {
		out := s.Kubectl(t, "", "--namespace=closed", "logs", fmt.Sprintf("eager-%d", i))
		if strings.TrimSpace(out) != "TIMEOUT" {
			t.Errorf("a pod that nothing is allowed, by its first packet: %q", out)
		}
	}
	// The probes go on meanwhile, one a second.
	if since := s.readySince(t); since != began {
		t.Errorf("the probed pod was not ready meanwhile: ready since %s, and then since %s", began, since)
	}
	s.Kubectl(t, "", "delete", "namespace/closed", "--wait=false")
}

// readySince is since when the probed pod is ready, without a container started again.
func (s *scene) readySince(t *testing.T) string {
	t.Helper()
	var pod struct {
		Status struct {
			Conditions        []struct{ Type, Status, LastTransitionTime string }
			ContainerStatuses []struct{ RestartCount int }
		}
	}
	out := s.Kubectl(t, "", "--namespace=closed", "get", "pod/probed", "--output=json")
	if err := json.Unmarshal([]byte(out), &pod); err != nil {
		t.Fatal(err)
	}
	for _, container := range pod.Status.ContainerStatuses {
		if container.RestartCount != 0 {
			t.Errorf("a container was started %d times again: its liveness probe failed", container.RestartCount)
		}
	}
	for _, c := range pod.Status.Conditions {
		if c.Type == "Ready" && c.Status == "True" {
			return c.LastTransitionTime
		}
	}
	return "never"
}

// wantKept expects that every node keeps this many policies, has refused something and has nothing to complain of.
func (s *scene) wantKept(t *testing.T, policies float64) {
	t.Helper()
	for _, n := range s.Nodes() {
		var metrics map[string]float64
		lab.Wait(t, patience, n.Name+" to keep the policies", func() error {
			metrics = n.Metrics(t)
			for name, want := range map[string]float64{
				"warren_network_policies": policies, "warren_policy_problems": 0, "warren_policy_waiting_pods": 0,
			} {
				if got, ok := metrics[name]; !ok || got != want {
					return fmt.Errorf("%s is %v, want %v", name, got, want)
				}
			}
			return nil
		})
		var refused float64
		for name, value := range metrics {
			if strings.HasPrefix(name, "warren_policy_refused_packets_total") {
				refused += value
			}
		}
		if isolated := metrics["warren_policy_isolated_pods"]; refused == 0 || isolated == 0 {
			t.Errorf("%s: %v packets refused, %v pods isolated", n.Name, refused, isolated)
		}
		if err := n.Ready(); err != nil {
			t.Errorf("%s: %v", n.Name, err)
		}
	}
}

// wantNoPolicies expects that nothing on a node is left of what keeps policies.
func wantNoPolicies(t *testing.T, c *cluster.Cluster) {
	t.Helper()
	for _, n := range c.Nodes() {
		tables := n.MustExec(t, "nft", "list", "tables")
		if strings.Contains(tables, "warren-policy") || strings.Contains(tables, "bridge warren") {
			t.Errorf("%s has tables of policies:\n%s", n.Name, tables)
		}
		conflist := n.MustExec(t, "cat", "/run/warren/cni/10-warren.conflist")
		if strings.Contains(conflist, "warren-cni") {
			t.Errorf("%s has the gate in its CNI configuration:\n%s", n.Name, conflist)
		}
		if left, err := n.Exec("ls", "/run/warren/cni.sock", "/run/warren/pods"); err == nil {
			t.Errorf("%s has the gate's files:\n%s", n.Name, left)
		}
	}
}

// wantAdopted expects that policies are kept for all pods that have addresses of their own.
func wantAdopted(t *testing.T, c *cluster.Cluster) {
	t.Helper()
	for _, n := range c.Nodes() {
		pods := len(podAddrs(t, c, n)) / len(c.ClusterCIDRs())
		if got := n.Metrics(t)["warren_policy_attached_pods"]; int(got) != pods {
			t.Errorf("%s: policies of %v pods are kept, and there are %d", n.Name, got, pods)
		}
	}
}

const (
	denyIngress = `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: servers}
spec: {podSelector: {matchLabels: {app: web}}, policyTypes: [Ingress]}
`
	allowIngress = `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: clients-to-servers}
spec:
  podSelector: {matchLabels: {app: web}}
  ingress: [{from: [{podSelector: {matchLabels: {app: client}}}], ports: [{port: 8080}]}]
`
	denyEgress = `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: clients}
spec: {podSelector: {matchLabels: {app: client}}, policyTypes: [Egress]}
`
	allowEgress = `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: servers-of-clients}
spec:
  podSelector: {matchLabels: {app: client}}
  policyTypes: [Egress]
  egress: [{to: [{podSelector: {matchLabels: {app: web}}}], ports: [{port: 8080}]}]
`
	closed = `
apiVersion: v1
kind: Namespace
metadata: {name: closed}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: nothing, namespace: closed}
spec: {podSelector: {}, policyTypes: [Ingress, Egress]}
`
	probed = `
apiVersion: v1
kind: Pod
metadata: {name: probed, namespace: closed}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - name: http
    image: registry.k8s.io/e2e-test-images/agnhost:2.66.1
    args: [netexec]
    readinessProbe: &http {httpGet: {path: /hostname, port: 8080}, periodSeconds: 1, timeoutSeconds: 9}
    livenessProbe: *http
  - name: tcp
    image: registry.k8s.io/e2e-test-images/agnhost:2.66.1
    args: [netexec, --http-port=8082, --udp-port=8082]
    readinessProbe: &tcp {tcpSocket: {port: 8082}, periodSeconds: 1, timeoutSeconds: 9}
  - name: exec
    image: registry.k8s.io/e2e-test-images/agnhost:2.66.1
    args: [pause]
    readinessProbe: {exec: {command: [cat, /proc/self/status]}, periodSeconds: 1, timeoutSeconds: 9}
`
	// eager connects as soon as it runs, and ends.
	eager = `---
apiVersion: v1
kind: Pod
metadata: {name: eager-%d, namespace: closed, labels: {app: eager}}
spec:
  nodeName: %s
  restartPolicy: Never
  containers:
  - name: agnhost
    image: registry.k8s.io/e2e-test-images/agnhost:2.66.1
    args: [connect, --timeout=2s, "%v"]
`
)
