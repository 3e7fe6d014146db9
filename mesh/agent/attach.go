package agent

import (
	"fmt"
	"net/netip"

	"warren.mesh/mesh/status"
)

// attach configures how pods are attached to this node. It comes after the host: the configuration's presence is what
// makes the kubelet start pods.
func (a *Agent) attach(podCIDRs []netip.Prefix, mtu int) {
	changed, err := a.cfg.Attachments.Configure(podCIDRs, mtu)
	a.report(stepAttach, err)
	if changed {
		a.log.Info("CNI configuration written", "cidrs", fmt.Sprint(podCIDRs), "mtu", mtu)
	}
	if changed || !a.surveyed || len(a.status.Snapshot().Pods.Strays) > 0 {
		a.survey(podCIDRs)
	}
}

// survey looks for pods that kept addresses of an earlier pod CIDR: nobody else can reach them any more. It does not
// stop them, because only a pod's owner can say what the pod is worth.
func (a *Agent) survey(podCIDRs []netip.Prefix) {
	strays, err := a.cfg.Attachments.Strays(podCIDRs)
	a.report(stepStrays, err)
	a.surveyed = err == nil
	if err != nil {
		return
	}
	a.status.Update(func(s status.Snapshot) status.Snapshot {
		s.Pods = status.Pods{CIDRs: podCIDRs, Strays: strays}
		return s
	})
}
