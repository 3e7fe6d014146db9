package policy

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// claimant is a pod that an address is said to be of; pod is nil as long as nothing is known of it.
type claimant struct {
	namespace, name string
	pod             *Pod
}

// claims are the claimants by address.
type claims map[netip.Addr][]claimant

// problems tells of addresses that several pods claim; those that are settled do not count.
func (c claims) problems(settled claims) (all []Problem) {
	for ip, of := range c {
		if len(of) > 1 && settled[ip] == nil {
			all = append(all, contested(ip, of)...)
		}
	}
	return all
}

func contested(ip netip.Addr, of []claimant) (all []Problem) {
	for i, c := range of {
		var others []string
		for j, other := range of {
			if i != j {
				others = append(others, other.namespace+"/"+other.name)
			}
		}
		slices.Sort(others)
		all = append(all, Problem{
			Kind: "Pod", Namespace: c.namespace, Name: c.name, Field: "status.podIPs",
			Reason: fmt.Sprintf("%v is that of %s, too: it counts for none of them", ip, strings.Join(others, ", ")),
		})
	}
	return all
}

func outside(p *Pod, ip netip.Addr) Problem {
	return Problem{
		Kind: "Pod", Namespace: p.Namespace, Name: p.Name, Field: "status.podIPs",
		Reason: fmt.Sprintf("%v is outside the pod CIDRs of node %s: it counts for nothing", ip, p.Node),
	}
}

func waiting(a Attached) Problem {
	return Problem{
		Kind: "Pod", Namespace: a.Namespace, Name: a.Name, Field: "metadata.labels", Waiting: true,
		Reason: "not known yet: until the API server tells of the pod, it gets and sends nothing",
	}
}
