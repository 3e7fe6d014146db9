package cni

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"warren.mesh/cni/gate"
)

// Reserve writes the reservations of running pods that host-local lacks, and returns the addresses. Somebody who
// deletes RunDir deletes all of them, and host-local then gives the addresses of running pods to new ones.
//
// A pod runs if the gate's records or libcni's cache know it and its port is there. So Collect takes nothing that
// Reserve writes, and the pod's DEL frees it. A DEL under way may have freed an address just before: that reservation
// stays until it is collected. An address that host-local has given to another container meanwhile stays that one's,
// and the error names both pods if that one runs too. The error also has what Reserve could not read.
func (c Configuration) Reserve() (reserved []netip.Addr, err error) {
	running, errs := c.running()
	for _, a := range running {
		for _, addr := range a.Addrs {
			made, err := c.reserve(addr, a.Key())
			if err == nil && !made {
				err = c.heldBy(addr, a, running)
			}
			if err != nil {
				errs = append(errs, fmt.Errorf("reserve the address of pod %s/%s: %w", a.Namespace, a.Name, err))
			}
			if made {
				reserved = append(reserved, addr)
			}
		}
	}
	slices.SortFunc(reserved, netip.Addr.Compare)
	return reserved, errors.Join(errs...)
}

// running returns the attachments whose ports are there: recorded ones first, which are newer than what the cache alone
// knows. What cannot be read is left out and is a problem.
func (c Configuration) running() (running []gate.Attachment, problems []error) {
	links, err := net.Interfaces()
	if err != nil {
		return nil, []error{fmt.Errorf("list the interfaces of the host: %w", err)}
	}
	recorded, problems := gate.RecordsIn(c.RunDir).Load()
	recorded = slices.DeleteFunc(recorded, func(a gate.Attachment) bool {
		return !slices.ContainsFunc(links, func(l net.Interface) bool { return l.Name == a.Port })
	})
	cached, unread := c.Attachments()
	return append(recorded, cached...), append(problems, unread...)
}

// heldBy returns an error if the reservation of a's address names another container that runs and has the address.
func (c Configuration) heldBy(addr netip.Addr, a gate.Attachment, running []gate.Attachment) error {
	content, err := os.ReadFile(filepath.Join(c.dataDir(), Network, addr.String()))
	if errors.Is(err, fs.ErrNotExist) {
		return nil // freed meanwhile
	}
	if err != nil {
		return err
	}
	container, _, _ := strings.Cut(strings.TrimSpace(string(content)), lineBreak)
	i := slices.IndexFunc(running, func(other gate.Attachment) bool {
		return other.Container == container && other.Container != a.Container && slices.Contains(other.Addrs, addr)
	})
	if i < 0 {
		return nil
	}
	return fmt.Errorf("%s is the address of pod %s/%s too: delete one of the two, so that it is made anew", addr,
		running[i].Namespace, running[i].Name)
}

// reserve makes one reservation as host-local does (backend/disk/backend.go): a file of the address's name with the
// container and the interface, which is not there before. It appears with its content, so it needs no lock.
func (c Configuration) reserve(addr netip.Addr, holder gate.Key) (made bool, err error) {
	path := filepath.Join(c.dataDir(), Network, addr.String())
	if exists(path) {
		return false, nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return false, err
	}
	f, err := os.CreateTemp(c.dataDir(), "reservation-")
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, remove(f.Name())) }()
	_, err = f.WriteString(holder.Container + lineBreak + holder.Interface)
	if err := errors.Join(err, f.Close()); err != nil {
		return false, err
	}
	err = os.Link(f.Name(), path)
	if errors.Is(err, fs.ErrExist) {
		return false, nil
	}
	return err == nil, err
}
