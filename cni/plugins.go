package cni

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"warren.mesh/internal/atomicfile"
)

// Names lists the plugins that a node needs: those in the configuration, and loopback, which runtimes execute without
// one. warren-cni is there without the gate too, because the runtime may have the older list.
var Names = []string{"bridge", "host-local", "loopback", "portmap", "warren-cni"}

// Plugins installs the plugin binaries. A node may have others of the same names, from a distribution's package.
// Install replaces them if they differ, because the configuration is tested with the pinned ones only (older ones
// refuse CNI 1.1), and Remove restores them. Other files in the directory stay as they are.
type Plugins struct {
	// From is the directory with the binaries of this release.
	From string
	// To is the directory in which the runtime looks for plugins: /opt/cni/bin.
	To string
}

// record returns a hidden directory in To, on the same file system. It holds another hard link to each binary that
// warren installed, by which warren recognises them, and the originals that they replaced.
func (p Plugins) record() string { return filepath.Join(p.To, ".warren") }

// Install installs the plugins whose content differs from what is there, and returns their names. It does not write to
// the file of a plugin that runs: the name gets a new file.
func (p Plugins) Install() (installed []string, err error) {
	if err := os.MkdirAll(p.record(), 0o755); err != nil {
		return nil, fmt.Errorf("install CNI plugins: %w", err)
	}
	for _, name := range Names {
		changed, err := p.install(name)
		if err != nil {
			return installed, fmt.Errorf("install CNI plugin %s from %s: %w", filepath.Join(p.To, name), p.From, err)
		}
		if changed {
			installed = append(installed, name)
		}
	}
	return installed, nil
}

// install installs one plugin. It adds the new binary to the record first and drops the old one last, so that at no
// point in between a plugin of warren's looks like somebody else's.
func (p Plugins) install(name string) (changed bool, err error) {
	source, target, record := filepath.Join(p.From, name), filepath.Join(p.To, name), filepath.Join(p.record(), name)
	same, err := sameContent(source, target)
	if err != nil || same {
		return false, err
	}
	if exists(target) && !p.installed(name) {
		if err := atomicfile.Link(target, original(record)); err != nil {
			return false, err
		}
	}
	next, err := copyFile(source, record)
	if err != nil {
		return false, err
	}
	if err := atomicfile.Link(atomicfile.Temporary(record), target); err != nil {
		return false, err
	}
	return true, next.Commit()
}

// copyFile prepares a copy of an executable, which Commit renames to another path.
func copyFile(from, to string) (atomicfile.Pending, error) {
	source, err := os.Open(from)
	if err != nil {
		return atomicfile.Pending{}, err
	}
	next, err := atomicfile.Prepare(to, source, 0o755)
	return next, errors.Join(err, source.Close())
}

// Replaced returns the names of the plugins in To whose content is not that in From, absent ones included: somebody
// else has installed theirs since Install. It reads all of them, some 20 MB.
func (p Plugins) Replaced() (names []string, err error) {
	for _, name := range Names {
		same, err := sameContent(filepath.Join(p.From, name), filepath.Join(p.To, name))
		if err != nil {
			return names, fmt.Errorf("compare CNI plugins: %w", err)
		}
		if !same {
			names = append(names, name)
		}
	}
	return names, nil
}

// Remove deletes the plugins that Install wrote, and restores those that they replaced. Plugins that somebody else has
// installed in their place since then stay. Removing what is absent succeeds.
func (p Plugins) Remove() error {
	for _, name := range Names {
		if err := p.remove(name); err != nil {
			return fmt.Errorf("remove CNI plugin: %w", err)
		}
	}
	if err := os.RemoveAll(p.record()); err != nil {
		return fmt.Errorf("remove CNI plugins: %w", err)
	}
	return nil
}

func (p Plugins) remove(name string) error {
	if !p.installed(name) {
		return nil
	}
	target, record := filepath.Join(p.To, name), filepath.Join(p.record(), name)
	if exists(original(record)) {
		return os.Rename(original(record), target)
	}
	return remove(target)
}

// installed reports whether Install wrote the plugin in To.
func (p Plugins) installed(name string) bool {
	record := filepath.Join(p.record(), name)
	target := filepath.Join(p.To, name)
	return sameFile(target, record) || sameFile(target, atomicfile.Temporary(record))
}

// original returns the path of the binary that the one in the record replaced.
func original(record string) string { return record + ".original" }

// remove deletes one file; its absence is fine.
func remove(path string) error {
	if err := os.Remove(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

func sameFile(a, b string) bool {
	first, err := os.Stat(a)
	if err != nil {
		return false
	}
	second, err := os.Stat(b)
	return err == nil && os.SameFile(first, second)
}

// sameContent compares two files by their whole content, a few MB: a plugin that a crash damaged may have the right
// size.
func sameContent(source, target string) (bool, error) {
	want, err := os.ReadFile(source)
	if err != nil {
		return false, err
	}
	have, err := os.ReadFile(target)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return bytes.Equal(want, have), err
}
