package sysctl

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"warren.mesh/internal/atomicfile"
	"warren.mesh/mesh"
)

// The record has a line NAME=VALUE, as of sysctl.conf(5), for each parameter that is put back: accept_ra of interfaces,
// and IPv6 forwarding, without which accept_ra 1 means again what it did. It is on tmpfs, because a reboot puts
// everything back.

// forwardsForWarren reports whether IPv6 forwarding is off, or on because warren has set it.
func (s *Sysctls) forwardsForWarren() (bool, error) {
	value, err := s.read(mesh.ForwardIPv6)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil || value == "0" {
		return err == nil, err
	}
	record, err := s.recorded()
	return record[mesh.ForwardIPv6] != "", err
}

// note adds the parameter's value to the record, unless the record has one or it is not to be put back.
func (s *Sysctls) note(name string) error {
	if s.Record == "" || name != mesh.ForwardIPv6 && !mesh.IsAcceptRA(name) {
		return nil
	}
	record, err := s.recorded()
	if err != nil || record[name] != "" {
		return err
	}
	value, err := s.read(name)
	if err != nil {
		return fmt.Errorf("read sysctl %s: %w", name, err)
	}
	record[name] = value
	var text strings.Builder
	for _, name := range slices.Sorted(maps.Keys(record)) {
		fmt.Fprintf(&text, "%s=%s\n", name, record[name])
	}
	if err := os.MkdirAll(filepath.Dir(s.Record), 0o755); err != nil {
		return fmt.Errorf("note sysctl %s: %w", name, err)
	}
	if err := atomicfile.Write(s.Record, []byte(text.String()), 0o644); err != nil {
		return fmt.Errorf("note sysctl %s: %w", name, err)
	}
	return nil
}

// recorded returns the record; empty if there is none.
func (s *Sysctls) recorded() (map[string]string, error) {
	record := map[string]string{}
	if s.Record == "" {
		return record, nil
	}
	text, err := os.ReadFile(s.Record)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read the sysctls to put back: %w", err)
	}
	for line := range strings.Lines(string(text)) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok {
			record[name] = value
		}
	}
	return record, nil
}

// Restore puts back what Set has noted, unless somebody else has changed it since, and deletes the record. Where it
// puts back an interface's accept_ra it also turns IPv6 forwarding off, without which the host would lose its routes.
// Where it does not, forwarding stays on, since others may have come to rely on it.
func (s *Sysctls) Restore() error {
	record, err := s.recorded()
	if err != nil {
		return err
	}
	forwarding := record[mesh.ForwardIPv6]
	delete(record, mesh.ForwardIPv6)
	if forwarding != "" && len(record) > 0 {
		err = s.restore(mesh.Sysctl{Name: mesh.ForwardIPv6, Value: forwarding}, "1")
	}
	for name, value := range record {
		err = errors.Join(err, s.restore(mesh.Sysctl{Name: name, Value: value}, "2"))
	}
	if err != nil || s.Record == "" {
		return err
	}
	return atomicfile.Remove(s.Record)
}

// restore sets a parameter that still has the value that Set gave it.
func (s *Sysctls) restore(old mesh.Sysctl, set string) error {
	value, err := s.read(old.Name)
	if errors.Is(err, fs.ErrNotExist) || err == nil && value != set {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read sysctl %s: %w", old.Name, err)
	}
	return s.write(old)
}
