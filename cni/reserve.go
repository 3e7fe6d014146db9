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

	"warren.mesh/cni/gate"
)

// Reserve writes the reservations of running pods that host-local lacks, and returns the addresses. Somebody who
// deletes RunDir deletes all of them, and host-local then gives the addresses of running pods to new ones.
//
// A pod runs if the gate's records or libcni's cache know it and its port is there. So Collect takes nothing that
// Reserve writes, and the pod's DEL frees it. A DEL under way may have freed an address just before: that reservation
// stays until it is collected. An address that host-local has given to another container meanwhile stays that one's.
func (c Configuration) Reserve() (reserved []netip.Addr, err error) {
	running, err := c.running()
	if err != nil {
		return nil, fmt.Errorf("reserve the addresses of running pods: %w", err)
	}
	var errs []error
	for _, a := range running {
		for _, addr := range a.Addrs {
			made, err := c.reserve(addr, a.Key())
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
// knows. What cannot be read is left out; the daemon tells of it when it adopts pods.
func (c Configuration) running() ([]gate.Attachment, error) {
	links, err := net.Interfaces()
	if err != nil {
		return nil, fmt.Errorf("list the interfaces of the host: %w", err)
	}
	recorded, _ := gate.RecordsIn(c.RunDir).Load()
	recorded = slices.DeleteFunc(recorded, func(a gate.Attachment) bool {
		return !slices.ContainsFunc(links, func(l net.Interface) bool { return l.Name == a.Port })
	})
	cached, _ := c.Attachments()
	return append(recorded, cached...), nil
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
