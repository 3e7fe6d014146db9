package cluster_test

import (
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"warren.mesh/test/cluster"
)

// scene is a cluster with warren and with an HTTP server on every node, in a pod and on the host network.
type scene struct {
	*cluster.Cluster
	// web are pods, hosts are pods on their node's network.
	web, hosts []cluster.Pod
}

// The ports of the servers: that of the host network is not the lab's own on the nodes.
const (
	webPort  = 8080
	hostPort = 8090
)

// patience bounds what kubelets and controllers do on a machine that is busy with other tests.
const patience = 3 * time.Minute

// setScene installs warren and runs the servers.
func setScene(t *testing.T, c *cluster.Cluster) *scene {
	t.Helper()
	s := &scene{Cluster: c}
	s.Install(t)
	s.web = s.Spread(t, cluster.Workload{Name: "web", Args: []string{"netexec"}, Port: webPort})
	port := strconv.Itoa(hostPort)
	s.hosts = s.Spread(t, cluster.Workload{
		Name: "host", HostNetwork: true, Args: []string{"netexec", "--http-port=" + port, "--udp-port=" + port},
		Port: hostPort,
	})
	return s
}

func url(addr netip.Addr, port uint16, path string) string {
	return "http://" + netip.AddrPortFrom(addr, port).String() + path
}

// clientAddr is what netexec says of who asked.
func clientAddr(text string) (netip.Addr, error) {
	seen, err := netip.ParseAddrPort(strings.TrimSpace(text))
	return seen.Addr().Unmap(), err
}

// like is the one of addrs that is of the family of addr.
func like(addrs []netip.Addr, addr netip.Addr) netip.Addr {
	for _, a := range addrs {
		if a.Is4() == addr.Is4() {
			return a
		}
	}
	return netip.Addr{}
}
