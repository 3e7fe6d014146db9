package pki_test

import (
	"crypto/tls"
	"crypto/x509"
	"net/netip"
	"os"
	"testing"

	"k8s.io/client-go/tools/clientcmd"

	"warren.mesh/test/lab/pki"
)

func authority(t *testing.T) *pki.Authority {
	t.Helper()
	a, err := pki.New(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestIssue(t *testing.T) {
	a := authority(t)
	server := pki.Subject{File: "server", CommonName: "api", Organizations: []string{"system:masters"},
		Addrs: []netip.Addr{netip.MustParseAddr("fd00::1")}}
	if err := a.Issue(server); err != nil {
		t.Fatal(err)
	}
	pair, err := tls.LoadX509KeyPair(a.File("server.crt"), a.File("server.key"))
	if err != nil {
		t.Fatal(err)
	}
	ca, err := os.ReadFile(a.File("ca.crt"))
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	for _, usage := range []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth} {
		_, err := pair.Leaf.Verify(x509.VerifyOptions{DNSName: "fd00::1", Roots: roots,
			KeyUsages: []x509.ExtKeyUsage{usage}})
		if err != nil {
			t.Error(err)
		}
	}
	if got := pair.Leaf.Subject.String(); got != "CN=api,O=system:masters" {
		t.Errorf("it is for %s", got)
	}
	if info, err := os.Stat(a.File("server.key")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key's mode is %v, %v", info.Mode(), err)
	}
}

func TestTokenKubeconfig(t *testing.T) {
	a := authority(t)
	path, err := a.TokenKubeconfig("https://[fd00::1]:6443", "node1", "secret")
	if err != nil {
		t.Fatal(err)
	}
	config, err := clientcmd.BuildConfigFromFlags("", path)
	if err != nil {
		t.Fatal(err)
	}
	if config.Host != "https://[fd00::1]:6443" || config.BearerTokenFile != a.File("node1.token") ||
		config.CAFile != a.File("ca.crt") {
		t.Errorf("it leads to %s with %s and %s", config.Host, config.BearerTokenFile, config.CAFile)
	}
}

func TestKubeconfig(t *testing.T) {
	a := authority(t)
	if err := a.Issue(pki.Subject{File: "admin", CommonName: "admin"}); err != nil {
		t.Fatal(err)
	}
	path, err := a.Kubeconfig("https://192.0.2.1:6443", "admin")
	if err != nil {
		t.Fatal(err)
	}
	config, err := clientcmd.BuildConfigFromFlags("", path)
	if err != nil {
		t.Fatal(err)
	}
	if config.CertFile != a.File("admin.crt") || config.KeyFile != a.File("admin.key") {
		t.Errorf("it authenticates with %s and %s", config.CertFile, config.KeyFile)
	}
}
