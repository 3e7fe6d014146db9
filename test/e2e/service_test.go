package e2e

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"warren.mesh/test/lab"
)

// serviceAway starts a daemon that knows the API server by its Service only, and then again when what kube-proxy does
// for the Service is gone: it goes to the addresses that it has seen.
func (w *waiting) serviceAway(t *testing.T) {
	n := w.waits
	server, err := url.Parse(w.Config().Host)
	if err != nil {
		t.Fatal(err)
	}
	service := w.ServiceCIDRs()[0].Addr().Next()
	kubeconfig := viaService(t, w.Lab, n, server, "https://"+service.String()+":443")
	w.Kubectl(t, fmt.Sprintf(apiServerSlice, server.Hostname(), server.Port()), "apply", "--filename=-")
	n.MustExec(t, "nft", fmt.Sprintf("table ip service { chain output { type nat hook output priority -100; "+
		"ip daddr %s tcp dport 443 dnat to %s; }; }", service, server.Host))
	n.StopDaemon(t)
	n.StartDaemon(t, "--kubeconfig="+kubeconfig)
	n.WaitReady(t)
	lab.Wait(t, time.Minute, "the API server's addresses to be kept", func() error {
		_, err := n.Exec("grep", "-Fx", server.Host, "/run/warren/apiservers")
		return err
	})

	flows, before := w.talk(t), snapshot(t, n)
	n.StopDaemon(t)
	n.MustExec(t, "nft", "delete", "table", "ip", "service")
	n.StartDaemon(t, "--kubeconfig="+kubeconfig)
	n.WaitReady(t)
	pass(t, flows, unattended)
	said, err := n.Fetch("http://127.0.0.1:18788/readyz")
	want := fmt.Sprintf("warning: api server address: %s:443 is out of reach, connected to %s instead", service,
		server.Host)
	if err != nil || !strings.Contains(string(said), want) {
		t.Errorf("/readyz: %s %v, want %q", said, err, want)
	}
	wantUnchanged(t, n, before)
	wantNoLoss(t, flows)
	n.StopDaemon(t)
	n.StartDaemon(t)
	n.WaitReady(t)
}

// viaService is a copy of the node's kubeconfig for another address of the API server.
func viaService(t *testing.T, l *lab.Lab, n *lab.Node, server *url.URL, service string) (path string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(l.Dir, "pki", n.Name+".kubeconfig"))
	if err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(l.Dir, "pki", n.Name+"-service.kubeconfig")
	changed := strings.ReplaceAll(string(text), server.String(), service)
	if err := os.WriteFile(path, []byte(changed), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// apiServerSlice is what the API server would publish of itself, if the lab let it.
const apiServerSlice = `
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: kubernetes, namespace: default, labels: {kubernetes.io/service-name: kubernetes}}
addressType: IPv4
endpoints: [{addresses: [%q], conditions: {ready: true}}]
ports: [{name: https, port: %s, protocol: TCP}]
`
