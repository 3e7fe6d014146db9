package main

import (
	"context"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// serving runs a server at an address and returns what it reports. It ends with the test.
func serving(t *testing.T, address string) (reports <-chan error) {
	t.Helper()
	return servingHandler(t, address, http.NotFoundHandler())
}

func servingHandler(t *testing.T, address string, handler http.Handler) (reports <-chan error) {
	t.Helper()
	all := make(chan error, 100)
	s := server{address, metricsFlag, handler, func(err error) { all <- err }}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { s.run(ctx); close(ended) }()
	t.Cleanup(func() { stop(); <-ended })
	return all
}

func wantAnswer(t *testing.T, address string) {
	t.Helper()
	response, err := http.Get("http://" + address)
	if err != nil || response.StatusCode != http.StatusNotFound {
		t.Fatalf("%v, %v", response, err)
	}
	_ = response.Body.Close()
}

// A port that is taken is reported with the remedy, and served as soon as it is free. It ends nothing.
func TestTakenPortIsServedLater(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := taken.Addr().String()
	reports := serving(t, address)
	err = <-reports
	if err == nil || !strings.Contains(err.Error(), address) ||
		!strings.Contains(err.Error(), "set another --metrics-address") {
		t.Errorf("reported %v", err)
	}
	if err := taken.Close(); err != nil {
		t.Fatal(err)
	}
	for <-reports != nil { // until it is free
	}
	wantAnswer(t, address)
}

// A socket whose file somebody deletes is made again.
func TestDeletedSocketIsMadeAgain(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "warren.sock")
	reports := serving(t, socket)
	for range 2 {
		if err := <-reports; err != nil {
			t.Fatal(err)
		}
		if err := os.Remove(socket); err != nil {
			t.Fatal(err)
		}
		if err := <-reports; err != nil { // that it has ended
			t.Fatal(err)
		}
	}
}

// A socket that cannot be made is reported with a remedy that helps: it has no port.
func TestTakenSocket(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "warren.sock")
	if err := os.MkdirAll(filepath.Join(socket, "something"), 0o700); err != nil {
		t.Fatal(err)
	}
	err := <-serving(t, socket)
	if err == nil || !strings.Contains(err.Error(), "remove what is in its place") ||
		strings.Contains(err.Error(), "port") {
		t.Errorf("reported %v", err)
	}
}

func TestNothingIsServedWithoutAnAddress(t *testing.T) {
	server{report: func(err error) { t.Errorf("reported %v", err) }}.run(t.Context())
}

// The daemon does not share one socket between its endpoints: the kubelet's probes do not depend on who scrapes.
func TestEndpointsHaveAddressesOfTheirOwn(t *testing.T) {
	for _, args := range [][]string{nil, {"--metrics-address="}, {"--metrics-address=127.0.0.1:9999"}} {
		d := parseDaemon(t, args...)
		if d.health != "127.0.0.1:18788" || d.metrics == d.health {
			t.Errorf("%q: health at %q, metrics at %q", args, d.health, d.metrics)
		}
	}
}

// The manifests' ports and probes are where the daemon serves by default.
func TestManifestsAskWhereTheDaemonServes(t *testing.T) {
	manifest, err := os.ReadFile("../../manifests/daemonset.yaml")
	if err != nil {
		t.Fatal(err)
	}
	d := parseDaemon(t)
	host, port, err := net.SplitHostPort(d.health)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"- name: metrics\n          containerPort: " + strings.TrimPrefix(d.metrics, ":") + "\n",
		"- name: health\n          containerPort: " + port + "\n          hostIP: " + host + "\n",
		"livenessProbe:\n          httpGet: {host: " + host + ", path: /healthz, port: health}\n",
		"readinessProbe:\n          httpGet: {host: " + host + ", path: /readyz, port: health}\n",
	} {
		if !strings.Contains(string(manifest), want) {
			t.Errorf("manifests/daemonset.yaml does not contain %q", want)
		}
	}
}
