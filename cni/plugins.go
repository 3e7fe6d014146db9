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

// Names are the plugins that a node needs: the configuration's own, and loopback, which the runtime calls by itself.
var Names = []string{"bridge", "host-local", "loopback", "portmap"}

// Plugins installs the plugin binaries. A node may have others of the same names, from a distribution's package: they are
// replaced where they differ, because the configuration is tried with the pinned ones only (older ones refuse CNI 1.1),
// and come back with Remove. Nothing else in the directory is touched.
type Plugins struct {
	// From is the directory with the binaries of this release.
	From string
	// To is where the runtime looks for plugins: /opt/cni/bin.
	To string
}

// record is a hidden directory in To, on the same file system: a second hard link to each binary that warren installed,
// by which it knows them again, and the originals that they replaced.
func (p Plugins) record() string { return filepath.Join(p.To, ".warren") }

// Install puts the four plugins in place where their content differs, and names those it wrote. A running plugin is never
// written to: it keeps its file, and the name gets a new one.
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

// install does one plugin. The record gets the new binary first and forgets the old one last, so that at no point
// between is one of ours taken for another's.
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

// copyFile prepares a copy of an executable, to have another path.
func copyFile(from, to string) (atomicfile.Pending, error) {
	source, err := os.Open(from)
	if err != nil {
		return atomicfile.Pending{}, err
	}
	next, err := atomicfile.Prepare(to, source, 0o755)
	return next, errors.Join(err, source.Close())
}

// Remove deletes the plugins that Install wrote, and gives back those it replaced. What somebody else has put in their
// place since, stays. Removing what is absent succeeds.
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

// installed reports whether the plugin in To is one that Install wrote.
func (p Plugins) installed(name string) bool {
	record := filepath.Join(p.record(), name)
	target := filepath.Join(p.To, name)
	return sameFile(target, record) || sameFile(target, atomicfile.Temporary(record))
}

// original is the name, beside a binary's record, of what it replaced.
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

// sameContent compares two whole files: they are a few MB, and a plugin cut short by a crash has a right size at times.
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
