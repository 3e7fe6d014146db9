package cluster

import (
	"encoding/json"
	"net/netip"
	"path"
	"slices"
	"strings"
	"time"

	"warren.mesh/test/cluster/image"
	"warren.mesh/test/lab"
	"warren.mesh/test/lab/host"
)

// Pod is a running pod.
type Pod struct {
	Namespace, Name string
	Node            *lab.Node
	// Addrs are the pod's IPs, IPv4 first.
	Addrs []netip.Addr
}

// patience bounds what kubelets and controllers do: start pods, probe them.
const patience = 3 * time.Minute

// WaitReady waits until all nodes, warren and CoreDNS are ready.
func (c *Cluster) WaitReady(t lab.TB) {
	t.Helper()
	timeout := "--timeout=" + patience.String()
	c.Kubectl(t, "", "wait", "nodes", "--all", "--for=condition=Ready", timeout)
	c.WaitRollout(t, "kube-system", "daemonset/warren")
	c.WaitRollout(t, "kube-system", "deployment/coredns")
}

// WaitRollout waits until all pods of a workload are ready and of its newest revision.
func (c *Cluster) WaitRollout(t lab.TB, namespace, workload string) {
	t.Helper()
	c.Kubectl(t, "", "--namespace="+namespace, "rollout", "status", workload, "--timeout="+patience.String())
}

// Workload is a DaemonSet in the namespace default. Its pods have the label app=NAME.
type Workload struct {
	Name        string
	HostNetwork bool
	// Args are agnhost's arguments.
	Args []string
	// Port is where it serves HTTP. A Service of the same name, of type NodePort, leads there from port 80. 0 means
	// that it serves nothing.
	Port uint16
}

// Spread runs the workload, waits until it is ready on every node, and returns its pods in the order of the nodes.
func (c *Cluster) Spread(t lab.TB, w Workload) []Pod {
	t.Helper()
	args, err := json.Marshal(w.Args)
	if err != nil {
		t.Fatalf("%v", err)
	}
	manifest := expand(workloadTemplate, map[string]any{"Workload": w, "Image": image.AgnhostName,
		"Args": string(args)})
	c.Kubectl(t, string(manifest), "apply", "--filename=-")
	c.WaitRollout(t, "default", "daemonset/"+w.Name)
	return c.Pods(t, "default", "app="+w.Name)
}

// Pods returns the running pods with these labels, in the order of the nodes.
func (c *Cluster) Pods(t lab.TB, namespace, selector string) []Pod {
	t.Helper()
	var list struct {
		Items []struct {
			Metadata struct{ Name string }
			Spec     struct{ NodeName string }
			Status   struct{ PodIPs []struct{ IP netip.Addr } }
		}
	}
	c.get(t, &list, "--namespace="+namespace, "get", "pods", "--selector="+selector,
		"--field-selector=status.phase=Running")
	var pods []Pod
	for _, item := range list.Items {
		pod := Pod{Namespace: namespace, Name: item.Metadata.Name, Node: c.node(item.Spec.NodeName)}
		for _, ip := range item.Status.PodIPs {
			pod.Addrs = append(pod.Addrs, ip.IP)
		}
		slices.SortFunc(pod.Addrs, netip.Addr.Compare)
		pods = append(pods, pod)
	}
	slices.SortFunc(pods, func(a, b Pod) int { return strings.Compare(a.Node.Name, b.Node.Name) })
	return pods
}

// get decodes kubectl's JSON.
func (c *Cluster) get(t lab.TB, into any, args ...string) {
	t.Helper()
	if err := json.Unmarshal([]byte(c.Kubectl(t, "", append(args, "--output=json")...)), into); err != nil {
		t.Fatalf("kubectl %s: %v", strings.Join(args, " "), err)
	}
}

func (c *Cluster) node(name string) *lab.Node {
	nodes := c.Nodes()
	return nodes[slices.IndexFunc(nodes, func(n *lab.Node) bool { return n.Name == name })]
}

// Service holds the addresses of a Service.
type Service struct {
	// Addrs are its cluster IPs, IPv4 first. NodePort is the node port of its first port.
	Addrs    []netip.Addr
	NodePort uint16
}

// Service returns the Service of this name in the namespace default.
func (c *Cluster) Service(t lab.TB, name string) Service {
	t.Helper()
	var object struct {
		Spec struct {
			ClusterIPs []netip.Addr
			Ports      []struct{ NodePort uint16 }
		}
	}
	c.get(t, &object, "get", "service", name)
	slices.SortFunc(object.Spec.ClusterIPs, netip.Addr.Compare)
	return Service{Addrs: object.Spec.ClusterIPs, NodePort: object.Spec.Ports[0].NodePort}
}

// TryExec runs a command in the pod's first container, through API server and kubelet.
func (c *Cluster) TryExec(t lab.TB, p Pod, args ...string) (string, error) {
	return c.TryKubectl(t.Context(), "", append([]string{"--namespace=" + p.Namespace, "exec", p.Name, "--"},
		args...)...)
}

// Fetch runs curl in the pod and returns the body. curl gives up after five seconds.
func (c *Cluster) Fetch(t lab.TB, p Pod, url string) (string, error) {
	return c.TryExec(t, p, curl(url)...)
}

// FetchFrom runs curl on a node and returns the body. curl gives up after five seconds.
func FetchFrom(n *lab.Node, url string) (string, error) {
	args := curl(url)
	return n.Exec(args[0], args[1:]...)
}

func curl(url string) []string {
	return []string{"curl", "--silent", "--show-error", "--fail", "--globoff", "--insecure", "--max-time", "5", url}
}

// Adopt hands the pod's network to the lab, for flows and echo servers in it. The pod must not listen on their ports.
func (c *Cluster) Adopt(t lab.TB, p Pod) *host.Host {
	t.Helper()
	const dir = "/run/netns"
	for _, name := range strings.Fields(p.Node.MustExec(t, "ls", dir)) {
		netns := path.Join(dir, name)
		addresses, err := p.Node.Exec("nsenter", "--net="+netns, "ip", "-oneline", "address")
		if err != nil {
			t.Logf("%v", err) // pods of others come and go
			continue
		}
		if strings.Contains(addresses, " "+p.Addrs[0].String()+"/") {
			return p.Node.Adopt(t, p.Name, netns, p.Addrs...)
		}
	}
	t.Fatalf("no network namespace of %s has the address %v of pod %s", p.Node.Name, p.Addrs[0], p.Name)
	return nil
}
