package lab

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"

	"warren.mesh/test/lab/host"
	"warren.mesh/test/lab/inside"
)

// egress makes the API server reach kubelets, pods and Services through a node, because its own machine is not in the
// mesh. Hosted control planes do so too (by konnectivity).
const egress = `apiVersion: apiserver.k8s.io/v1beta1
kind: EgressSelectorConfiguration
egressSelections:
- name: cluster
  connection:
    proxyProtocol: HTTPConnect
    transport: {uds: {udsName: %q}}
`

func (l *Lab) egressFile() string   { return filepath.Join(l.Dir, "egress.yaml") }
func (l *Lab) egressSocket() string { return filepath.Join(l.Dir, "egress.sock") }

func (l *Lab) writeEgress() error {
	return os.WriteFile(l.egressFile(), fmt.Appendf(nil, egress, l.egressSocket()), 0o644)
}

// Egress has the API server reach kubelets, pods and Services from this host, from now on and until the host's end.
func (l *Lab) Egress(h *host.Host) error {
	if err := os.Remove(l.egressSocket()); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: l.egressSocket(), Net: "unix"})
	if err != nil {
		return fmt.Errorf("open the API server's way to the cluster: %w", err)
	}
	// The host's process goes on with it.
	listener.SetUnlinkOnClose(false)
	defer listener.Close()
	return l.relay(h, "egress", listener, inside.Relay{})
}

// inheritable is a listener that a child process can take over.
type inheritable interface {
	File() (*os.File, error)
}

// relay starts a process on the host that serves the listener.
func (l *Lab) relay(h *host.Host, name string, listener inheritable, r inside.Relay) error {
	file, err := listener.File()
	if err != nil {
		return err
	}
	defer file.Close()
	spec, err := json.Marshal(r)
	if err != nil {
		return err
	}
	_, err = l.Run(h, host.Program{Name: name, Path: l.programs.Lab, Args: []string{"relay", string(spec)},
		Files: []*os.File{file}})
	return err
}
