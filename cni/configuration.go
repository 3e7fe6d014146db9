package cni

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"

	"warren.mesh/cni/gate"
	"warren.mesh/internal/atomicfile"
	"warren.mesh/internal/hostdir"
)

// file is the name of the configuration. Runtimes use the first one in the directory, in lexical order.
const file = "10-warren.conflist"

// ErrForeign is wrapped by errors about a file in the place of warren's that warren did not make.
var ErrForeign = errors.New("a file is there that warren did not make")

// Configuration is the network configuration on this node: a file below RunDir and, in ConfDir, a symbolic link to it.
// RunDir does not outlive a reboot, so the link dangles after one. The runtime then starts no pod with the old
// configuration before the daemon has programmed the guard and the mesh, as it would with a plain file in ConfDir.
type Configuration struct {
	// ConfDir is the directory in which the runtime looks for configurations: /etc/cni/net.d.
	ConfDir string
	// RunDir is a directory on tmpfs, which has the same path for the runtime as for this process: /run/warren.
	RunDir string
	// CacheDir is where the runtime's libcni keeps what it has attached: /var/lib/cni. Only HostPorts reads it.
	CacheDir string
	// Bridge is the name of the pods' bridge: warren-br0.
	Bridge string
	// Gate puts the plugin warren-cni last in the list, which asks the daemon at each attachment.
	Gate bool
}

// Link returns the path at which the runtime finds the configuration.
func (c Configuration) Link() string { return filepath.Join(c.ConfDir, file) }

// File returns the path of the file to which the link leads.
func (c Configuration) File() string { return filepath.Join(c.RunDir, "cni", file) }

// dataDir returns the directory of host-local's reservations.
func (c Configuration) dataDir() string { return dataDir(c.RunDir) }

// Configure installs the configuration for these pod CIDRs and this MTU, in bytes, and reports whether that changed
// anything. It writes nothing if the configuration is as it should be. It replaces warren's own file and any symbolic
// link of that name. The error wraps ErrForeign if a regular file is there that warren did not make.
func (c Configuration) Configure(podCIDRs []netip.Prefix, mtu int) (changed bool, err error) {
	want, err := Conflist(Settings{Bridge: c.Bridge, MTU: mtu, PodCIDRs: podCIDRs, RunDir: c.RunDir, Gate: c.Gate})
	if err != nil {
		return false, err
	}
	if c.installed(want) {
		return false, nil
	}
	if err := c.install(want); err != nil {
		if lost := hostdir.At(c.ConfDir, c.RunDir).Lost(); lost != nil {
			err = fmt.Errorf("%w: %w", err, lost)
		}
		return false, fmt.Errorf("install the CNI configuration %s: %w", c.Link(), err)
	}
	return true, nil
}

// Directories returns the directories of the host that the daemon and the container runtime have to share.
func (c Configuration) Directories() []string { return []string{c.ConfDir, c.RunDir, c.CacheDir} }

// installed reports whether link and file are as they should be. It is false if it cannot read them: install then
// repairs them or returns the error.
func (c Configuration) installed(want []byte) bool {
	// The link waits to be renamed into place: an installation was interrupted.
	if exists(atomicfile.Temporary(c.Link())) {
		return false
	}
	target, err := os.Readlink(c.Link())
	if err != nil || target != c.File() {
		return false
	}
	have, err := os.ReadFile(c.File())
	return err == nil && bytes.Equal(have, want)
}

// install writes the file, and then renames the link into place, even over an equal one: containerd reloads on the
// rename within ConfDir and does not see the file change behind the link. The link waits under its temporary name
// before the file is written, so that an installation that is interrupted between the two is repeated. Runtimes ignore
// that name for its extension.
func (c Configuration) install(content []byte) error {
	if err := c.checkOwnership(); err != nil {
		return err
	}
	for _, dir := range []string{c.ConfDir, filepath.Dir(c.File())} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	link, err := atomicfile.PrepareSymlink(c.Link(), c.File())
	if err != nil {
		return err
	}
	if err := atomicfile.Write(c.File(), content, 0o644); err != nil {
		return err
	}
	return link.Commit()
}

// checkOwnership returns an error that wraps ErrForeign if warren did not make what is at Link. A regular file that
// holds a network of warren's name is a copy of warren's.
func (c Configuration) checkOwnership() error {
	info, err := os.Lstat(c.Link())
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.Mode().Type() == fs.ModeSymlink:
		return nil
	case !info.Mode().IsRegular():
		return fmt.Errorf("%w (%s): move it elsewhere", ErrForeign, info.Mode().Type())
	}
	content, err := os.ReadFile(c.Link())
	if err != nil {
		return err
	}
	if !ours(content) {
		return fmt.Errorf("%w: move it elsewhere", ErrForeign)
	}
	return nil
}

// ours reports whether content is a configuration list of warren's network. It does not decode into a struct, whose
// fields match keys in upper and lower case: runtimes' do not.
func ours(content []byte) bool {
	var list map[string]any
	return json.Unmarshal(content, &list) == nil && list["name"] == Network
}

// Remove deletes the configuration, link first, all reservations, and what the gate keeps of pods. No pod can start on
// this node then; running pods keep their network. It does not delete a file or link in the link's place that warren
// did not make. Removing what is absent succeeds.
func (c Configuration) Remove() error {
	errs := []error{remove(atomicfile.Temporary(c.Link()))}
	if target, err := os.Readlink(c.Link()); err == nil && target == c.File() {
		errs = append(errs, remove(c.Link()))
	}
	errs = append(errs, os.RemoveAll(filepath.Dir(c.File())), os.RemoveAll(c.dataDir()),
		os.RemoveAll(gate.RecordsIn(c.RunDir).Dir), atomicfile.Remove(gate.Socket(c.RunDir)))
	_ = os.Remove(c.RunDir) // It fails if the directory holds something else, which stays.
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("remove the CNI configuration: %w", err)
	}
	return nil
}
