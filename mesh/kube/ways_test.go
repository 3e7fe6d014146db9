package kube

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/client-go/rest"
)

// network is what dials find: the addresses that accept connections, and those that answer nothing at all.
type network struct {
	accept, silent string
	dialed         []string
}

func (n *network) dial(ctx context.Context, _, address string) (net.Conn, error) {
	n.dialed = append(n.dialed, address)
	switch {
	case strings.Contains(n.accept, address):
		conn, _ := net.Pipe()
		return conn, nil
	case strings.Contains(n.silent, address):
		ctx, cancel := context.WithTimeout(ctx, 30*time.Second) // as the real one
		defer cancel()
		<-ctx.Done()
	}
	return nil, errors.New("no way to " + address)
}

// The configured address comes first, and the known ones only if it does not answer.
func TestDialFindsAnotherWay(t *testing.T) {
	const service, one, two = "10.96.0.1:443", "192.0.2.1:6443", "[2001:db8::2]:6443"
	for name, test := range map[string]struct {
		known  string
		net    network
		dialed []string
		// took is the time until there was a connection, or until there was none.
		took time.Duration
		// fails says that there was none, reported what an operator is told.
		fails    bool
		reported string
	}{
		"as it should be": {known: one, net: network{accept: service}, dialed: []string{service}},
		"refused":         {known: one, net: network{accept: one}, dialed: []string{service, one}, reported: one},
		"silent": {known: one, net: network{accept: one, silent: service}, dialed: []string{service, one},
			took: 4 * time.Second, reported: one},
		"the second answers": {known: one + "\n" + two, net: network{accept: two},
			dialed: []string{service, one, two}, reported: two},
		"no way at all": {known: one, dialed: []string{service, one}, fails: true},
		"nothing known": {dialed: []string{service}, fails: true},
		"nothing, and silent": {net: network{silent: service}, dialed: []string{service}, fails: true,
			took: 30 * time.Second},
		"the same address": {known: service, dialed: []string{service}, fails: true},
		"rubbish": {known: "a.example:1 1.2.3.4 [fe80::1%eth0]:1 " + one, net: network{accept: one},
			dialed: []string{service, one}, reported: one},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "servers")
			if err := os.WriteFile(file, []byte(test.known), 0o600); err != nil {
				t.Fatal(err)
			}
			synctest.Test(t, func(t *testing.T) {
				var reported error
				w := newWays(file, test.net.dial, func(err error) { reported = err })
				begin := time.Now()
				conn, err := w.dial(t.Context(), "tcp", service)
				if (conn == nil) != test.fails || err != nil && err.Error() != "no way to "+service {
					t.Errorf("%v, %v", conn, err)
				}
				if took := time.Since(begin); took != test.took {
					t.Errorf("it took %v, want %v", took, test.took)
				}
				if diff := cmp.Diff(test.dialed, test.net.dialed); diff != "" {
					t.Errorf("dialed (-want +got):\n%s", diff)
				}
				if fmt.Sprint(reported) == "<nil>" != (test.reported == "") ||
					!strings.Contains(fmt.Sprint(reported), test.reported) {
					t.Errorf("reported %v, want %s", reported, test.reported)
				}
				test.net.accept += " " + service
				if w.again(t.Context()); reported != nil {
					t.Errorf("in reach again, and reported is %v", reported)
				}
			})
		})
	}
}

const sliceBody = `{"kind":"EndpointSlice","apiVersion":"discovery.k8s.io/v1","metadata":{"name":"kubernetes"},
"addressType":"IPv4","ports":[{"name":"https","protocol":"TCP","port":6443}],"endpoints":[
{"addresses":["192.0.2.2"],"conditions":{"ready":true}},{"addresses":["192.0.2.3"],"conditions":{"ready":false}},
{"addresses":["192.0.2.1"]},{"addresses":["nobody"],"conditions":{}}]}`

// sliceAnswer answers requests for the API server's own addresses, like an API server where not nil.
func sliceAnswer(status int, body string) func(*http.Request) (*http.Response, error) {
	return func(r *http.Request) (*http.Response, error) {
		if r.URL.Path != slicePath {
			return nil, nil
		}
		w := httptest.NewRecorder()
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = w.WriteString(body)
		return w.Result(), nil
	}
}

// What the API server says of its addresses is kept, until it says something else. It is asked seldom.
func TestServersAreRemembered(t *testing.T) {
	file := filepath.Join(t.TempDir(), "run", "servers")
	synctest.Test(t, func(t *testing.T) {
		f := newFakeAPI(node("a", "1"))
		asked, reported := 0, errors.New("nothing yet")
		answer := sliceAnswer(http.StatusOK, sliceBody)
		f.answers(func(r *http.Request) (*http.Response, error) {
			response, err := answer(r)
			if response != nil {
				asked++
			}
			return response, err
		})
		report := func(err error) { reported = err }
		c, err := New(Config{REST: f.config(), NodeName: "a", ServersFile: file, Servers: report})
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { _ = c.Run(ctx); close(ended) }()
		defer func() { stop(); <-ended }()
		want := func(when, content string) {
			t.Helper()
			got, err := os.ReadFile(file)
			if err != nil || string(got) != content {
				t.Errorf("%s: %q, %v; want %q", when, got, err, content)
			}
		}
		time.Sleep(9 * time.Minute)
		want("at first", "192.0.2.1:6443\n192.0.2.2:6443\n")
		if asked != 1 || reported != nil {
			t.Errorf("asked %d times, reported %v", asked, reported)
		}
		answer = sliceAnswer(http.StatusForbidden, `{"kind":"Status","apiVersion":"v1","reason":"Forbidden",`+
			`"code":403,"message":"endpointslices is forbidden: no right"}`)
		time.Sleep(10 * time.Minute)
		want("while it is forbidden", "192.0.2.1:6443\n192.0.2.2:6443\n")
		if reported == nil || !strings.Contains(reported.Error(), "apply warren's ClusterRole") {
			t.Errorf("forbidden, and reported is %v", reported)
		}
		for _, nothing := range []string{`{"endpoints":null}`, `{"kind":"Status","code":404}`} {
			answer = sliceAnswer(http.StatusOK, nothing)
			time.Sleep(time.Hour)
			want("after "+nothing, "192.0.2.1:6443\n192.0.2.2:6443\n")
		}
		answer = sliceAnswer(http.StatusOK, strings.ReplaceAll(sliceBody, "192.0.2.2", "2001:db8::2"))
		time.Sleep(time.Hour)
		want("with another address", "192.0.2.1:6443\n[2001:db8::2]:6443\n")
		if reported != nil {
			t.Errorf("in the end, reported is %v", reported)
		}
	})
}

// A daemon that starts while the configured address leads nowhere reads the cluster by one it knows, and believes only
// a server with the configured host's certificate.
func TestServiceOutOfReach(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusTeapot)
	}))
	defer server.Close()
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	file := filepath.Join(t.TempDir(), "servers")
	if err := os.WriteFile(file, []byte(server.Listener.Addr().String()), 0o600); err != nil {
		t.Fatal(err)
	}
	// Nobody listens on port 1. The server's certificate is for 127.0.0.1.
	for host, want := range map[string]string{
		"127.0.0.1": "status code 418", "127.0.0.2": "certificate is valid for 127.0.0.1",
	} {
		var told error
		config := &rest.Config{Host: "https://" + host + ":1", TLSClientConfig: rest.TLSClientConfig{CAData: ca}}
		c, err := New(Config{REST: config, NodeName: "a", ServersFile: file, Servers: func(err error) { told = err }})
		if err != nil {
			t.Fatal(err)
		}
		_, err = c.clients.look(t.Context())
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", host, err, want)
		}
		warning := host + ":1 is out of reach, connected to " + server.Listener.Addr().String()
		if told == nil || !strings.Contains(told.Error(), warning) {
			t.Errorf("%s: told %v", host, told)
		}
	}
}
