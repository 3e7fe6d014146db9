package enforce

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"warren.mesh/cni/gate"
)

// taken returns an error if a pod that runs has an address of a new attachment: its port is on the bridge. That happens
// where host-local has lost its reservations. settle would give the address to the newer one. What has ended, but was
// never detached, has no port any more.
//
// The runtime then detaches the new pod and tries again. What host-local lacks is reserved before that, and it goes on
// after the address that it gave last.
func (e *Enforcer) taken(a gate.Attachment) error {
	others := e.sharing(a)
	if len(others) == 0 {
		return nil
	}
	bridge, err := e.cfg.Host.Bridge()
	if err != nil {
		return err
	}
	for _, other := range others {
		if !slices.Contains(bridge.Ports, other.Port) {
			continue
		}
		err := fmt.Errorf("of its addresses %v the pod %s/%s, which runs on this node, has %v", a.Addrs,
			other.Namespace, other.Name, other.Addrs)
		return errors.Join(err, e.cfg.Reserve())
	}
	return nil
}

// sharing returns the attachments with other ports that have an address of a's.
func (e *Enforcer) sharing(a gate.Attachment) (others []gate.Attachment) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for key, other := range e.held {
		shared := func(addr netip.Addr) bool { return slices.Contains(a.Addrs, addr) }
		if key != a.Key() && other.Port != a.Port && slices.ContainsFunc(other.Addrs, shared) {
			others = append(others, other.Attachment)
		}
	}
	return others
}
