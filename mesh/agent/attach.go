package agent

import (
	"fmt"
	"net/netip"
)

// attach configures how pods are attached to this node. It comes after the host: the configuration's presence is what
// makes the kubelet start pods.
func (a *Agent) attach(podCIDRs []netip.Prefix, mtu int) {
	changed, err := a.cfg.Attachments.Configure(podCIDRs, mtu)
	a.journal.report(stepAttach, err)
	if changed {
		a.log.Info("CNI configuration written", "cidrs", fmt.Sprint(podCIDRs), "mtu", mtu)
	}
	if changed || !a.surveyed || len(a.strays) > 0 {
		a.survey(podCIDRs)
	}
}

// survey looks for pods that kept addresses of an earlier pod CIDR: nobody else can reach them any more. They are
// not stopped here, because what a pod is worth is for its owner to say.
func (a *Agent) survey(podCIDRs []netip.Prefix) {
	strays, err := a.cfg.Attachments.Strays(podCIDRs)
	a.journal.report(stepStrays, err)
	a.surveyed = err == nil
	if err != nil || fmt.Sprint(strays) == fmt.Sprint(a.strays) {
		return
	}
	a.strays = strays
	a.metrics.strays.Set(float64(len(strays)))
	if len(strays) > 0 {
		a.log.Warn("pods have addresses outside this node's pod CIDRs: delete them, so that they are made anew",
			"pods", fmt.Sprint(strays), "cidrs", fmt.Sprint(podCIDRs))
	}
}
