package kube

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	mathrand "math/rand/v2"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	clientv1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"

	"warren.mesh/mesh/meshtest"
)

// binaries is the environment variable that names the directory with etcd and kube-apiserver (or "control", which is
// kube-apiserver under another name). They need no root, but are asked for like tests that do.
const binaries = "WARREN_KUBE_BIN"

// patience is how long a real API server may take for anything, on a machine that is busy with other tests.
const patience = 2 * time.Minute

// apiServer is a real API server with an etcd of its own. They have a loopback address to themselves, so that they
// neither choose ports nor meet others that did.
type apiServer struct {
	// owner is the test at whose end it ends.
	owner     *testing.T
	directory string
	address   netip.Addr
	etcd, api *process
	// nodes are Nodes as an administrator and kubelets see them.
	nodes clientv1.NodeInterface
}

// startAPIServer starts both for the duration of the test.
func startAPIServer(t *testing.T) *apiServer {
	t.Helper()
	meshtest.Privileged(t)
	if os.Getenv(binaries) == "" {
		t.Fatalf("%s is not set: make test-privileged sets it", binaries)
	}
	s := &apiServer{owner: t, directory: t.TempDir(), address: loopback()}
	s.write(t, "token", "test,admin,admin,system:masters\n")
	s.write(t, "sa.key", privateKey(t))
	s.etcd = s.run(t, "etcd", "--name=e", "--data-dir="+s.path("etcd"), "--unsafe-no-fsync",
		"--listen-client-urls="+s.url(2379), "--advertise-client-urls="+s.url(2379),
		"--listen-peer-urls="+s.url(2380), "--initial-advertise-peer-urls="+s.url(2380),
		"--initial-cluster=e="+s.url(2380))
	client, err := clientv1.NewForConfig(s.config())
	if err != nil {
		t.Fatal(err)
	}
	s.nodes = client.Nodes()
	s.start(t)
	return s
}

// start starts the API server, for the first time or again, and waits until it is ready.
func (s *apiServer) start(t *testing.T) {
	t.Helper()
	s.api = s.run(t, "kube-apiserver", "--etcd-servers="+s.url(2379),
		"--bind-address="+s.address.String(), "--secure-port=6443", "--cert-dir="+s.path("certs"),
		// Nobody looks for this server through a Service of its own.
		"--advertise-address=192.0.2.1", "--endpoint-reconciler-type=none",
		"--service-cluster-ip-range=198.51.100.0/24",
		"--token-auth-file="+s.path("token"), "--authorization-mode=AlwaysAllow",
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file="+s.path("sa.key"), "--service-account-signing-key-file="+s.path("sa.key"))
	client, err := clientv1.NewForConfig(s.config())
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "the API server is ready", func() bool {
		if s.etcd.ended() || s.api.ended() {
			t.Fatalf("etcd or the API server has ended\n%s\n%s", s.etcd.tail(), s.api.tail())
		}
		return client.RESTClient().Get().AbsPath("/readyz").Do(t.Context()).Error() == nil
	})
}

func (s *apiServer) config() *rest.Config {
	return &rest.Config{
		Host:            fmt.Sprintf("https://%s:6443", s.address),
		BearerToken:     "test",
		TLSClientConfig: rest.TLSClientConfig{Insecure: true},
		QPS:             -1,
	}
}

func (s *apiServer) url(port int) string { return fmt.Sprintf("http://%s:%d", s.address, port) }

func (s *apiServer) path(name string) string { return filepath.Join(s.directory, name) }

func (s *apiServer) write(t *testing.T, name, content string) {
	t.Helper()
	if err := os.WriteFile(s.path(name), []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// process is a child that does not outlive the test, even a killed one.
type process struct {
	command *exec.Cmd
	log     string
	done    chan struct{}
}

func (s *apiServer) run(t *testing.T, name string, arguments ...string) *process {
	t.Helper()
	p := &process{log: s.path(name + ".log"), done: make(chan struct{})}
	out, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	p.command = &exec.Cmd{
		Path: binary(name), Args: append([]string{name}, arguments...), Stdout: out, Stderr: out,
		SysProcAttr: &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL},
	}
	if err := p.command.Start(); err != nil {
		t.Fatalf("start %s of %s: %v", name, binaries, err)
	}
	go func() {
		defer close(p.done)
		_ = p.command.Wait()
	}()
	s.owner.Cleanup(p.kill)
	return p
}

func binary(name string) string {
	path := filepath.Join(os.Getenv(binaries), name)
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return filepath.Join(os.Getenv(binaries), "control")
	}
	return path
}

func (p *process) kill() {
	_ = p.command.Process.Kill()
	<-p.done
}

func (p *process) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

func (p *process) tail() string {
	text, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	return string(text[max(0, len(text)-4096):])
}

// eventually polls, because what is waited for is another process.
func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for !done() {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", patience, what)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// loopback is an address of 127.0.0.0/8 that nobody else is likely to use.
func loopback() netip.Addr {
	octet := func() byte { return byte(1 + mathrand.N(254)) }
	return netip.AddrFrom4([4]byte{127, octet(), octet(), octet()})
}

func privateKey(t *testing.T) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}))
}
