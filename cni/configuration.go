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

	"warren.mesh/internal/atomicfile"
)

// file is the configuration's name. Runtimes take the first of the directory in lexical order.
const file = "10-warren.conflist"

// ErrForeign is wrapped by errors about a file that stands where warren's belongs and is somebody else's.
var ErrForeign = errors.New("a file is there that warren did not make")

// Configuration is the network configuration on this node's disk: a file below RunDir and, in ConfDir, a symbolic link
// to it. RunDir does not outlive a reboot, so the link dangles after one: the runtime starts no pod on yesterday's
// configuration, before the daemon has put the guard and the mesh in place. A plain file in ConfDir would let it.
type Configuration struct {
	// ConfDir is where the runtime looks: /etc/cni/net.d.
	ConfDir string
	// RunDir is on tmpfs and has the same path for the runtime as for this process: /run/warren.
	RunDir string
	// Bridge is the name of the pods' bridge: warren-br0.
	Bridge string
}

// Link is the path at which the runtime finds the configuration.
func (c Configuration) Link() string { return filepath.Join(c.ConfDir, file) }

// File is the path of the configuration itself.
func (c Configuration) File() string { return filepath.Join(c.RunDir, "cni", file) }

// dataDir is where host-local keeps its reservations.
func (c Configuration) dataDir() string { return filepath.Join(c.RunDir, "ipam") }

// Configure installs the configuration for these pod CIDRs and this MTU, and reports whether that changed anything. What
// is right already is not written. It replaces its own file and any symbolic link of that name; another's regular file
// is refused with ErrForeign.
func (c Configuration) Configure(podCIDRs []netip.Prefix, mtu int) (changed bool, err error) {
	want, err := Conflist(Settings{Bridge: c.Bridge, MTU: mtu, PodCIDRs: podCIDRs, DataDir: c.dataDir()})
	if err != nil {
		return false, err
	}
	if c.installed(want) {
		return false, nil
	}
	if err := c.install(want); err != nil {
		return false, fmt.Errorf("install the CNI configuration %s: %w", c.Link(), err)
	}
	return true, nil
}

// installed reports whether link and file are as they should be. What it cannot read it leaves to install to mend or to
// report.
func (c Configuration) installed(want []byte) bool {
	// The link before it is renamed into place: an installation was interrupted.
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

// install writes the file, and then renames the link into place, even over an equal one: containerd reloads on the rename
// within ConfDir and does not see the file change behind the link. The link waits under its temporary name before the file
// is written, so that an installation that is interrupted between the two is repeated. Runtimes ignore that name for its
// extension.
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

// checkOwnership fails where Link is somebody else's file. A regular file that holds the network of our name is a copy of
// ours.
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

// ours reports whether content is a configuration list of warren's network. Not by a struct: its fields would match keys
// in any case, and runtimes' don't.
func ours(content []byte) bool {
	var list map[string]any
	return json.Unmarshal(content, &list) == nil && list["name"] == Network
}

// Remove deletes the configuration, link first, and all reservations: no pod can start here any more, and those that run
// keep their network but are forgotten. Another's file or link in the link's place stays. Removing what is absent
// succeeds.
func (c Configuration) Remove() error {
	errs := []error{remove(atomicfile.Temporary(c.Link()))}
	if target, err := os.Readlink(c.Link()); err == nil && target == c.File() {
		errs = append(errs, remove(c.Link()))
	}
	errs = append(errs, os.RemoveAll(filepath.Dir(c.File())), os.RemoveAll(c.dataDir()))
	_ = os.Remove(c.RunDir) // fails where it holds something else, which stays
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("remove the CNI configuration: %w", err)
	}
	return nil
}
