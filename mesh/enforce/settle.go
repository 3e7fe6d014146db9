package enforce

import (
	"cmp"
	"net"
	"net/netip"
	"slices"

	"warren.mesh/cni/gate"
	"warren.mesh/mesh/policy"
	"warren.mesh/mesh/ports"
)

// attachment is one that the gate has told of, or a record.
type attachment struct {
	gate.Attachment
	// order grows with each attachment: the newest has it right where two contradict each other.
	order uint64
	// recorded says that it has a record: ADD has succeeded, or is about to.
	recorded bool
}

// podKey names a pod for the index.
type podKey struct{ namespace, name, uid string }

// settled is what follows from the attachments.
type settled struct {
	// pods are for the index, and ports for the table of ports, sorted by interface.
	pods  map[podKey]policy.Attached
	ports []ports.Port
	// stale are those that newer ones have replaced in full.
	stale []gate.Key
	// missing says for each attachment what keeps it from being in force but for the tables; empty for nothing.
	missing map[gate.Key]string
}

// settle resolves contradictions: of two attachments with the same address, the same port or the same pod, the newer
// one counts, because the runtime detaches late, or never, what has ended. (Attach refuses an address of what has not:
// see taken.) Two interfaces of one container are no contradiction. An attachment whose runtime tells no UID is that of
// the pod of its name.
func settle(held map[gate.Key]*attachment, k known) settled {
	s := settled{pods: map[podKey]policy.Attached{}, missing: map[gate.Key]string{}}
	addrs, interfaces, containers := map[netip.Addr]bool{}, map[string]bool{}, map[podName]string{}
	for _, a := range newestFirst(held) {
		name := podName{a.Namespace, a.Name}
		if newer, ok := containers[name]; ok && newer != a.Container || interfaces[a.Port] {
			s.replaced(a)
			continue
		}
		free := slices.DeleteFunc(slices.Clone(a.Addrs), func(addr netip.Addr) bool { return addrs[addr] })
		if len(free) == 0 {
			s.replaced(a)
			continue
		}
		containers[name], interfaces[a.Port] = a.Container, true
		for _, addr := range free {
			addrs[addr] = true
		}
		s.add(a, free, k)
	}
	slices.SortFunc(s.ports, func(a, b ports.Port) int { return cmp.Compare(a.Interface, b.Interface) })
	return s
}

// add takes an attachment with those of its addresses that are its own.
func (s *settled) add(a *attachment, addrs []netip.Addr, k known) {
	s.missing[a.Key()] = k.missing(a.Attachment)
	port := ports.Port{Interface: a.Port, Addrs: addrs}
	if mac, err := net.ParseMAC(a.MAC); err == nil {
		copy(port.MAC[:], mac)
	}
	s.ports = append(s.ports, port)
	uid := cmp.Or(a.UID, k.pods[podName{a.Namespace, a.Name}])
	key := podKey{a.Namespace, a.Name, uid}
	pod := policy.Attached{Namespace: a.Namespace, Name: a.Name, UID: uid}
	pod.Addrs = slices.Concat(s.pods[key].Addrs, addrs)
	slices.SortFunc(pod.Addrs, netip.Addr.Compare)
	s.pods[key] = pod
}

func (s *settled) replaced(a *attachment) {
	s.stale = append(s.stale, a.Key())
	s.missing[a.Key()] = "a newer attachment has taken its place"
}

// newestFirst sorts the attachments.
func newestFirst(held map[gate.Key]*attachment) []*attachment {
	all := make([]*attachment, 0, len(held))
	for _, a := range held {
		all = append(all, a)
	}
	slices.SortFunc(all, func(a, b *attachment) int { return cmp.Compare(b.order, a.order) })
	return all
}

// missing says what the API server has not told of a pod yet; empty for nothing.
func (k known) missing(a gate.Attachment) string {
	uid, ok := k.pods[podName{a.Namespace, a.Name}]
	switch {
	case !ok:
		return "the pod " + a.Namespace + "/" + a.Name + " is not known to this node yet"
	case a.UID != "" && a.UID != uid:
		return "the pod " + a.Namespace + "/" + a.Name + " is known to this node with the UID " + uid + ", not yet " +
			a.UID
	case !k.namespaces[a.Namespace]:
		return "the namespace " + a.Namespace + " is not known to this node yet"
	default:
		return ""
	}
}
