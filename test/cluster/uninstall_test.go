package cluster_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	"warren.mesh/mesh/doctor"
	"warren.mesh/mesh/meshtest"
	"warren.mesh/test/cluster"
	"warren.mesh/test/cluster/image"
	"warren.mesh/test/lab"
	"warren.mesh/test/readme"
)

// By hand it works without an API server, too, as the runbooks say. The API server that is there has no part in it, but
// for the Nodes' annotations.
func TestPrivilegedLongUninstall(t *testing.T) {
	meshtest.Privileged(t)
	c := cluster.Start(t, cluster.Options{})
	before := allTraces(t, c)
	c.Install(t)
	c.Spread(t, cluster.Workload{Name: "web", Args: []string{"netexec"}, Port: webPort})
	removeWorkloads(t, c)
	r := newPageReader(t, c, doctor.Runbooks)
	for _, n := range c.Nodes() {
		r.uninstallByHand(t, n)
		n.Annotate(t, map[string]string{
			"warren.mesh/public-key": "", "warren.mesh/proof": "", "warren.mesh/endpoint": "",
			"warren.mesh/pod-cidrs": "",
			"warren.mesh/node-ips":  "",
		})
	}
	wantAsBefore(t, c, before)
}

// uninstallByManifests does what the README says, and leaves nodes and their objects as they were, and no objects of
// warren's. The DaemonSet does not say what was applied, as if Helm had made it.
func uninstallByManifests(t *testing.T, c *cluster.Cluster, before map[string]string) {
	removeWorkloads(t, c)
	c.Kubectl(t, "", "--namespace=kube-system", "annotate", "daemonset/warren",
		"kubectl.kubernetes.io/last-applied-configuration-")
	r := newReader(t, c)
	r.uninstall(t, r.section(t, "Uninstall"), before)
}

// uninstall runs commands that remove warren, and wants nodes, their objects and the cluster to be as before.
func (r *reader) uninstall(t *testing.T, commands []readme.Command, before map[string]string) {
	t.Helper()
	for _, command := range commands {
		r.run(t, command)
	}
	waitDeleted(t, r.Cluster)
	wantAsBefore(t, r.Cluster, before)
	wantConditionRetired(t, r.Cluster)
	if left := r.Kubectl(t, "", "get", kinds, "--all-namespaces", "--output=name",
		"--selector=app.kubernetes.io/name=warren"); left != "" {
		t.Errorf("objects are left:\n%s", left)
	}
}

// wantConditionRetired wants all nodes to say that warren is gone, and not that their network is.
func wantConditionRetired(t *testing.T, c *cluster.Cluster) {
	t.Helper()
	for _, n := range c.Nodes() {
		for _, condition := range n.Object(t).Status.Conditions {
			if condition.Type == corev1.NodeNetworkUnavailable &&
				(condition.Status != corev1.ConditionFalse || condition.Reason != "WarrenIsRemoved") {
				t.Errorf("%s has kept %v", n.Name, condition)
			}
		}
	}
}

// kinds are those of warren's objects.
const kinds = "daemonsets,pods,configmaps,serviceaccounts,roles,clusterroles,clusterrolebindings," +
	"validatingadmissionpolicies,validatingadmissionpolicybindings"

// removeWorkloads deletes all pods with a network of their own: without one they cannot be taken off it.
func removeWorkloads(t *testing.T, c *cluster.Cluster) {
	t.Helper()
	c.Kubectl(t, "", "delete", "daemonsets,deployments,pods", "--namespace=default", "--all", "--wait")
	c.Kubectl(t, "", "--namespace=kube-system", "scale", "deployment/coredns", "--replicas=0")
	for _, n := range c.Nodes() {
		lab.Wait(t, patience, "end of all pods of "+n.Name, func() error {
			if left := podAddrs(t, c, n); len(left) > 0 {
				return fmt.Errorf("%v are left", left)
			}
			return nil
		})
	}
}

// waitDeleted waits until all pods of warren's have ended.
func waitDeleted(t *testing.T, c *cluster.Cluster) {
	t.Helper()
	c.Kubectl(t, "", "--namespace=kube-system", "wait", "pods", "--selector=app.kubernetes.io/name=warren",
		"--for=delete", "--timeout=60s")
}

// allTraces are those of nodes that forward already, as warren leaves them: the kernel has anycast addresses then,
// which come and go with the sysctl.
func allTraces(t *testing.T, c *cluster.Cluster) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, n := range c.Nodes() {
		n.MustExec(t, "sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")
		all[n.Name] = traces(t, n)
	}
	return all
}

func wantAsBefore(t *testing.T, c *cluster.Cluster, before map[string]string) {
	t.Helper()
	for _, n := range c.Nodes() {
		// Interfaces of pods go some time after the pods.
		lab.Wait(t, 30*time.Second, n.Name+" as it was", func() error { return same(before[n.Name], traces(t, n)) })
		for key := range n.Object(t).Annotations {
			if strings.HasPrefix(key, "warren.mesh/") {
				t.Errorf("%s has kept %s", n.Name, key)
			}
		}
	}
}

// stopKubelet is how the page stops a kubelet. These are no services of systemd.
const stopKubelet = "systemctl stop kubelet"

// uninstallByHand runs the page's commands for a node, with the cluster's own image and client of containerd.
func (r *reader) uninstallByHand(t *testing.T, n *lab.Node) {
	t.Helper()
	stopped := false
	for _, c := range r.section(t, "Removal without the API server") {
		switch {
		case c.Text == stopKubelet:
			r.StopKubelet(t, n)
			stopped = true
		case c.OnNode:
			text := strings.ReplaceAll(c.Text, readmeImage, image.WarrenName)
			n.MustExec(t, "sh", "-ec", strings.ReplaceAll(text, "ctr -n", r.Ctr()+" -n"))
		}
	}
	if !stopped {
		t.Errorf("%s does not stop the kubelet by %q", r.page, stopKubelet)
	}
}

// traces are what warren could leave on a node, as the node's own tools tell it: of nftables the names of tables, but
// those that kube-proxy and kubelets make when they get to it, iptables' among them.
func traces(t *testing.T, n *lab.Node) string {
	t.Helper()
	return n.MustExec(t, "sh", "-c", `
ip -oneline link | awk '{print $2}'
ip rule; ip -6 rule
ip -4 route show table all; ip -6 route show table all | grep -v ' expires '
nft list tables | grep -v -e kube-proxy -e ' \(nat\|filter\|mangle\|raw\|security\)$'
find /etc/cni /opt/cni /var/lib/warren /run/warren /run/wireguard /var/run/wireguard ! -type d 2>/dev/null | sort`)
}

// different is what is not as it was.
type different string

// Error is the difference.
func (d different) Error() string { return string(d) }

func same(before, now string) error {
	if diff := cmp.Diff(strings.Split(before, "\n"), strings.Split(now, "\n")); diff != "" {
		return different("(-before +now):\n" + diff)
	}
	return nil
}
