package lab

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"time"

	corev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"

	"warren.mesh/test/lab/audit"
	"warren.mesh/test/lab/host"
	"warren.mesh/test/lab/machine"
	"warren.mesh/test/lab/pki"
	"warren.mesh/test/lab/tb"
)

// The servers of the control plane, as their logs are called. Without kubelets, kube-controller-manager is its
// controller of pod CIDRs alone.
const (
	etcdName        = "etcd"
	apiServerName   = "kube-apiserver"
	controllersName = "kube-controller-manager"
)

// kubeletClientName is the API server as a client of kubelets: for logs, exec and port-forward.
const kubeletClientName = "kube-apiserver-kubelet-client"

// startTimeout bounds the API server's start: 4 s on a quiet machine, more than a minute on an emulated one.
const startTimeout = 4 * time.Minute

// server is the API server's URL.
func (l *Lab) server() string {
	return "https://" + net.JoinHostPort(pick(l.options.Family, controlIPs)[0].String(), "6443")
}

// startControlPlane starts etcd, API server and controllers, and loads warren's manifests.
func (l *Lab) startControlPlane(ctx context.Context) error {
	if err := l.issue(); err != nil {
		return err
	}
	if err := l.serve(etcdName, l.programs.Etcd, l.etcdArgs(usualStore)); err != nil {
		return err
	}
	if err := l.startAPI(ctx); err != nil {
		return err
	}
	if err := l.startControllers(); err != nil {
		return err
	}
	if l.options.Kubelets {
		return nil
	}
	return l.loadManifests(ctx)
}

// issue makes all certificates, and the administrator's clients.
func (l *Lab) issue() (err error) {
	if l.authority, err = pki.New(filepath.Join(l.Dir, "pki")); err != nil {
		return err
	}
	masters := []string{"system:masters"}
	for _, s := range []pki.Subject{
		{File: apiServerName, CommonName: apiServerName, Names: l.serverNames(), Addrs: l.serverAddrs()},
		{File: kubeletClientName, CommonName: kubeletClientName, Organizations: masters},
		{File: "admin", CommonName: "admin", Organizations: masters},
		{File: controllersName, CommonName: "system:" + controllersName, Organizations: masters},
	} {
		if err := l.authority.Issue(s); err != nil {
			return err
		}
	}
	for _, name := range []string{"admin", controllersName} {
		if _, err := l.authority.Kubeconfig(l.server(), name); err != nil {
			return err
		}
	}
	l.config = &rest.Config{Host: l.server(), Dial: l.Control.Dial, QPS: -1, TLSClientConfig: rest.TLSClientConfig{
		CAFile: l.authority.File("ca.crt"), CertFile: l.authority.File("admin.crt"),
		KeyFile: l.authority.File("admin.key"),
	}}
	l.core, err = corev1.NewForConfig(l.config)
	return err
}

// serve starts one server of the control plane.
func (l *Lab) serve(name, path string, args []string) (err error) {
	l.servers[name], err = l.Run(l.Control, host.Program{Name: name, Path: path, Args: args})
	return err
}

// startAPI starts the API server and waits until it is ready.
func (l *Lab) startAPI(ctx context.Context) error {
	if err := errors.Join(os.WriteFile(l.auditPolicyFile(), []byte(audit.Policy), 0o644), l.writeEgress()); err != nil {
		return err
	}
	if err := l.serve(apiServerName, l.programs.Component(apiServerName), l.apiServerArgs()); err != nil {
		return err
	}
	client, err := rest.HTTPClientFor(l.config)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, tb.Bound(startTimeout))
	defer cancel()
	for {
		err := ready(ctx, client, l.server()+"/readyz")
		if err == nil {
			return nil
		}
		ended := errors.Join(l.servers[etcdName].Running(), l.servers[apiServerName].Running())
		if ended != nil || ctx.Err() != nil {
			return fmt.Errorf("wait for the API server: %w", errors.Join(err, ended))
		}
		time.Sleep(tb.PollInterval)
	}
}

func ready(ctx context.Context, client *http.Client, url string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("get %s: %s", url, response.Status)
	}
	return nil
}

// StopAPI ends the API server (etcd stays): connections break, and are refused from then on.
func (l *Lab) StopAPI(t TB) {
	t.Helper()
	// SIGTERM would let it finish what clients wait for, which is not what an outage does.
	if err := l.servers[apiServerName].Signal(syscall.SIGKILL, machine.KillTimeout); err != nil {
		t.Fatalf("stop the API server: %v", err)
	}
}

// StartAPI starts the API server again and waits until it is ready.
func (l *Lab) StartAPI(t TB) {
	t.Helper()
	if err := errors.Join(l.startAPI(t.Context()), l.reportAll(t.Context())); err != nil {
		t.Fatalf("%v", err)
	}
}

// LoseStore ends API server and etcd, and starts both again with an empty store. No token is known there, certificates
// are.
func (l *Lab) LoseStore(t TB) {
	t.Helper()
	l.startWithStore(t, emptyStore)
}

// RecoverStore ends API server and etcd, and starts both again with the store that was lost.
func (l *Lab) RecoverStore(t TB) {
	t.Helper()
	l.startWithStore(t, usualStore)
}

func (l *Lab) startWithStore(t TB, store string) {
	t.Helper()
	l.StopAPI(t)
	if err := l.servers[etcdName].Signal(syscall.SIGKILL, machine.KillTimeout); err != nil {
		t.Fatalf("stop etcd: %v", err)
	}
	if err := l.serve(etcdName, l.programs.Etcd, l.etcdArgs(store)); err != nil {
		t.Fatalf("%v", err)
	}
	l.StartAPI(t)
}

// StopControllers ends the controllers: Nodes that join then have no pod CIDR.
func (l *Lab) StopControllers(t TB) {
	t.Helper()
	if err := l.servers[controllersName].Signal(syscall.SIGKILL, machine.KillTimeout); err != nil {
		t.Fatalf("stop the controllers: %v", err)
	}
}

// StartControllers starts the controllers again, and waits for nothing.
func (l *Lab) StartControllers(t TB) {
	t.Helper()
	if err := l.startControllers(); err != nil {
		t.Fatalf("%v", err)
	}
}

func (l *Lab) startControllers() error {
	if l.options.Kubelets {
		return l.serve(controllersName, l.programs.Component(controllersName), l.controllerArgs())
	}
	return l.serve(controllersName, l.programs.Component("node-ipam-controller"), l.nodeIPAMArgs())
}

func (l *Lab) loadManifests(ctx context.Context) error {
	args := []string{"apply", "-k", filepath.Join(l.programs.Root, "manifests")}
	if l.options.NoPolicies {
		args = append(args, "--selector=app.kubernetes.io/component!=policy")
	}
	if _, err := l.kubectl(ctx, "", args...); err != nil {
		return fmt.Errorf("load the manifests: %w", err)
	}
	return nil
}

// Kubectl runs the real kubectl as administrator, with input on its standard input, and returns what it printed.
func (l *Lab) Kubectl(t TB, input string, args ...string) string {
	t.Helper()
	out, err := l.kubectl(t.Context(), input, args...)
	if err != nil {
		t.Fatalf("%v", err)
	}
	return out
}

func (l *Lab) kubectl(ctx context.Context, input string, args ...string) (string, error) {
	args = append([]string{"--kubeconfig=" + l.authority.File("admin.kubeconfig"),
		"--cache-dir=" + filepath.Join(l.Dir, "kubectl")}, args...)
	return l.Control.Output(ctx, host.Command{Path: l.programs.Component("kubectl"), Args: args, Input: input})
}

func (l *Lab) auditPolicyFile() string { return filepath.Join(l.Dir, "audit-policy.yaml") }
func (l *Lab) auditFile() string       { return l.Log("audit") }

// Audit is what the API server was asked so far, in order, by anybody but the administrator, itself and the
// controllers.
func (l *Lab) Audit(t TB) []audit.Request {
	t.Helper()
	content, err := os.ReadFile(l.auditFile())
	if err != nil {
		t.Fatalf("read the audit log: %v", err)
	}
	requests, err := audit.Parse(content)
	if err != nil {
		t.Fatalf("read the audit log: %v", err)
	}
	return requests
}
