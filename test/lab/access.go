package lab

import (
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"strings"

	"k8s.io/client-go/rest"

	"warren.mesh/test/lab/inside"
	"warren.mesh/test/lab/pki"
)

// As is the way to the API server for a user with a client certificate, as kubelets have one: user system:node:NAME in
// group system:nodes.
func (l *Lab) As(t TB, user string, groups ...string) *rest.Config {
	t.Helper()
	file := "user-" + strings.ReplaceAll(user, ":", "-")
	if err := l.authority.Issue(pki.Subject{File: file, CommonName: user, Organizations: groups}); err != nil {
		t.Fatalf("%v", err)
	}
	c := rest.AnonymousClientConfig(l.config)
	c.CertFile, c.KeyFile = l.authority.File(file+".crt"), l.authority.File(file+".key")
	return c
}

// AsToken is the way to the API server for the bearer of a token.
func (l *Lab) AsToken(token string) *rest.Config {
	c := rest.AnonymousClientConfig(l.config)
	c.BearerToken = token
	return c
}

// Publish has this machine's loopback lead to the API server for as long as the lab runs, and returns the path of an
// administrator's kubeconfig that goes there. Nothing of the root network namespace is changed: a process on the
// control machine accepts from a socket that was opened outside.
func (l *Lab) Publish() (kubeconfig string, err error) {
	listener, err := net.ListenTCP("tcp",
		net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), 0)))
	if err != nil {
		return "", fmt.Errorf("publish the API server: %w", err)
	}
	defer listener.Close()
	if err := l.relay(l.Control, "relay", listener,
		inside.Relay{To: strings.TrimPrefix(l.server(), "https://")}); err != nil {
		return "", fmt.Errorf("publish the API server: %w", err)
	}
	return l.authority.Publish("https://"+listener.Addr().String(), "admin", filepath.Join(l.Dir, "kubeconfig"))
}

func (l *Lab) serverNames() []string {
	const service = "kubernetes.default.svc.cluster.local"
	return []string{"localhost", "kubernetes", service[:len("kubernetes.default")],
		service[:len("kubernetes.default.svc")], service}
}

// serverAddrs are the API server's addresses: its own, the Service's, and loopback, from which it can be published.
func (l *Lab) serverAddrs() []netip.Addr {
	addrs := append(pick(l.options.Family, controlIPs), netip.MustParseAddr("127.0.0.1"))
	for _, cidr := range l.ServiceCIDRs() {
		addrs = append(addrs, cidr.Addr().Next())
	}
	return addrs
}

// AdminKubeconfig is the path of the administrator's kubeconfig of the lab with this name, for its control machine.
func AdminKubeconfig(name string) string {
	return filepath.Join(directory(name), "pki", "admin.kubeconfig")
}
