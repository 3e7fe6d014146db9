package mesh

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
)

// ErrWaiting is wrapped by Desired's error while self has no pod CIDR or no node IP yet: a state to wait in, with what
// runs kept, and not a failure.
var ErrWaiting = errors.New("waiting")

// waiting tells what self lacks; the error wraps ErrWaiting.
func (s Self) waiting() error {
	switch {
	case len(s.PodCIDRs) == 0:
		return fmt.Errorf("%w for a pod CIDR: spec.podCIDRs of node %s has none", ErrWaiting, s.Name)
	case len(s.usableIPs()) == 0:
		return fmt.Errorf("%w for a node IP: status.addresses of node %s has no usable InternalIP", ErrWaiting, s.Name)
	}
	return nil
}

// check is whether self can be in any mesh: others would leave it out for the same reasons, but here the operator is to
// see them at once.
func (s Self) check(cfg Config) error {
	var seen [2]bool
	for _, p := range s.PodCIDRs {
		if err := checkPodCIDR(p); err != nil {
			return fmt.Errorf("pod CIDR of node %s: %w", s.Name, err)
		}
		if seen[familyOf(p.Addr())] {
			return fmt.Errorf("pod CIDR of node %s: %v is the second of its address family, one is allowed", s.Name, p)
		}
		seen[familyOf(p.Addr())] = true
	}
	if err := cfg.checkMTU(s.PodCIDRs); err != nil {
		return err
	}
	own, _ := s.among(nil)
	if problem := newMembers(cfg).conflict(own); problem != nil {
		return fmt.Errorf("node %s does not fit the configured CIDRs: %s: correct them, on all nodes alike", s.Name, problem.Reason)
	}
	return nil
}

// usableIPs are the node IPs that others accept. The rest of status.addresses takes no part.
func (s Self) usableIPs() []netip.Addr {
	ips, _ := s.readIPs()
	return ips
}

// problems are what is wrong with self and yet stops nothing.
func (s Self) problems() []Problem {
	_, problems := s.readIPs()
	return append(problems, s.Malformed...)
}

func (s Self) readIPs() (ips []netip.Addr, problems []Problem) {
	for _, ip := range unique(slices.Clone(s.NodeIPs)) {
		err := checkUnicast(ip)
		if err == nil && len(ips) == MaxNodeIPs {
			err = fmt.Errorf("%v is one too many: %d are announced", ip, MaxNodeIPs)
		}
		if err != nil {
			problems = append(problems, Problem{Node: s.Name, Field: FieldNodeIPs, Reason: err.Error()})
			continue
		}
		ips = append(ips, ip)
	}
	return ips, problems
}

// gateways are the gateway addresses of the own pod CIDRs by family; the zero value where there is none.
func (s Self) gateways() (g [2]netip.Addr) {
	for _, p := range s.PodCIDRs {
		g[familyOf(p.Addr())] = Gateway(p)
	}
	return g
}
