package cluster_test

import (
	"strings"
	"testing"

	"warren.mesh/test/cluster"
)

func (s *scene) accept(t *testing.T) {
	t.Run("bridges", s.bridges)
	t.Run("pods", s.pods)
	t.Run("services", s.services)
	t.Run("hosts", s.hostNetwork)
	t.Run("kubectl", s.kubectl)
	t.Run("plugin", s.plugin)
	t.Run("mesh", s.mesh)
	t.Run("readme", s.readme)
	t.Run("re-key", s.rekey)
	t.Run("sandbox", s.sandbox)
	t.Run("policies", s.policies)
}

// A bridge that changes its hardware address with its pods makes those lose packets that know the old one. In sysfs, 3
// says that it does not.
func (s *scene) bridges(t *testing.T) {
	for _, n := range s.Nodes() {
		const file = "/sys/class/net/warren-br0/addr_assign_type"
		if got := n.MustExec(t, "cat", file); got != "3\n" {
			t.Errorf("%s: %s is %q, want 3", n.Name, file, got)
		}
	}
}

// Pods reach each other without translation, and the API server through its Service.
func (s *scene) pods(t *testing.T) {
	for _, from := range s.web {
		for _, to := range s.web {
			if from.Name != to.Name {
				s.untranslated(t, from, to, webPort)
			}
		}
		if out, err := s.Fetch(t, from, "https://kubernetes.default/version"); err != nil ||
			!strings.Contains(out, "gitVersion") {
			t.Errorf("%s → API server: %q, %v", from.Name, out, err)
		}
	}
}

// untranslated expects that to sees from's own address, in every family.
func (s *scene) untranslated(t *testing.T, from, to cluster.Pod, port uint16) {
	t.Helper()
	for _, addr := range to.Addrs {
		out, err := s.Fetch(t, from, url(addr, port, "/clientip"))
		if err != nil {
			t.Errorf("%s → %s: %v", from.Name, to.Name, err)
			continue
		}
		if seen, err := clientAddr(out); err != nil || seen != like(from.Addrs, addr) {
			t.Errorf("%s (%v) → %s: seen as %q, %v", from.Name, from.Addrs, to.Name, out, err)
		}
	}
}

// A Service is reached by its cluster IP, by name and by every node's port, from every pod, and from every node.
func (s *scene) services(t *testing.T) {
	web := s.Service(t, "web")
	urls := []string{"http://web/hostname", "http://web.default.svc.cluster.local/hostname"}
	for _, addr := range web.Addrs {
		urls = append(urls, url(addr, 80, "/hostname"))
	}
	var nodePorts []string
	for _, n := range s.Nodes() {
		for _, addr := range n.Addrs() {
			nodePorts = append(nodePorts, url(addr, web.NodePort, "/hostname"))
		}
	}
	for _, from := range s.web {
		for _, u := range append(urls, nodePorts...) {
			s.answered(t, from.Name, u, func() (string, error) { return s.Fetch(t, from, u) })
		}
	}
	for _, n := range s.Nodes() {
		for _, u := range append(urls[2:], nodePorts...) {
			s.answered(t, n.Name, u, func() (string, error) { return cluster.FetchFrom(n, u) })
		}
	}
}

// answered asks until every pod behind a Service has answered once; a single failure is one.
func (s *scene) answered(t *testing.T, from, u string, fetch func() (string, error)) {
	t.Helper()
	missing := map[string]bool{}
	for _, pod := range s.web {
		missing[pod.Name] = true
	}
	// Of two pods chosen at random, one is not chosen in forty times once in 10^12.
	for range 40 * len(s.web) {
		out, err := fetch()
		if err != nil {
			t.Errorf("%s → %s: %v", from, u, err)
			return
		}
		delete(missing, strings.TrimSpace(out))
		if len(missing) == 0 {
			return
		}
	}
	t.Errorf("%s → %s: never answered by %v", from, u, missing)
}

// Pods on the host network and pods reach each other without translation, on all nodes.
func (s *scene) hostNetwork(t *testing.T) {
	for _, pod := range s.web {
		for _, host := range s.hosts {
			s.untranslated(t, pod, host, hostPort)
			s.untranslated(t, s.gateway(t, host), pod, webPort)
		}
	}
}

// gateway is the host-network pod with the addresses that pods see of it: its node's on the bridge and in the mesh.
func (s *scene) gateway(t *testing.T, host cluster.Pod) cluster.Pod {
	t.Helper()
	own := host.Addrs
	host.Addrs = nil
	for _, addr := range own {
		host.Addrs = append(host.Addrs, host.Node.Gateway(t, addr))
	}
	return host
}

// wg runs in the daemon's container, and the Node objects say what it prints.
func (s *scene) mesh(t *testing.T) {
	for _, pod := range s.Pods(t, "kube-system", "app.kubernetes.io/name=warren") {
		out, err := s.TryExec(t, pod, "wg", "show", "warren0")
		if err != nil {
			t.Error(err)
			continue
		}
		for _, n := range s.Nodes() {
			key := n.Object(t).Annotations["warren.mesh/public-key"]
			if key == "" || !strings.Contains(out, key) {
				t.Errorf("%s: no key %q of %s in\n%s", pod.Node.Name, key, n.Name, out)
			}
		}
	}
}

// What needs a runtime's own: containers of one pod share localhost, and a host port leads to its pod.
func (s *scene) sandbox(t *testing.T) {
	s.Kubectl(t, sandboxPod, "apply", "--filename=-")
	s.Kubectl(t, "", "wait", "pod/sandbox", "--for=condition=Ready", "--timeout=60s")
	pod := s.Pods(t, "default", "app=sandbox")[0]
	if out, err := s.Fetch(t, pod, "http://localhost:8082/hostname"); err != nil ||
		strings.TrimSpace(out) != "sandbox" {
		t.Errorf("the other container: %q, %v", out, err)
	}
	for _, from := range s.Nodes() {
		if from.Name == pod.Node.Name {
			continue
		}
		for _, addr := range pod.Node.Addrs() {
			if out, err := cluster.FetchFrom(from, url(addr, 9090, "/hostname")); err != nil ||
				strings.TrimSpace(out) != "sandbox" {
				t.Errorf("%s → host port of %v: %q, %v", from.Name, addr, out, err)
			}
		}
	}
	for _, from := range s.web {
		for _, addr := range pod.Node.Addrs() {
			if out, err := s.Fetch(t, from, url(addr, 9090, "/hostname")); err != nil ||
				strings.TrimSpace(out) != "sandbox" {
				t.Errorf("%s → host port of %v: %q, %v", from.Name, addr, out, err)
			}
		}
	}
}

const sandboxPod = `
apiVersion: v1
kind: Pod
metadata: {name: sandbox, labels: {app: sandbox}}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - name: one
    image: registry.k8s.io/e2e-test-images/agnhost:2.66.1
    args: [netexec]
    ports: [{containerPort: 8080, hostPort: 9090}]
    readinessProbe: {httpGet: {path: /hostname, port: 8080}, periodSeconds: 1}
  - name: two
    image: registry.k8s.io/e2e-test-images/agnhost:2.66.1
    args: [netexec, --http-port=8082, --udp-port=8082]
    readinessProbe: {httpGet: {path: /hostname, port: 8082}, periodSeconds: 1}
`
