package enforce

import (
	"fmt"
	"time"

	"warren.mesh/mesh/status"
)

// bypassed says what follows from IPVS for policies. The request of a pod to a Service never comes to the forward hook:
// IPVS takes it in the input hook, after the table has judged it as one to the Service's address, and sends it on by
// the output hook, which judges nobody.
const bypassed = "kube-proxy is in IPVS mode, or has left its interface kube-ipvs0: what a pod sends to a Service is " +
	"not judged by the pods behind it, so egress rules that name pods refuse it, and ingress rules of a pod on the " +
	"same node do not see it. Run kube-proxy in mode nftables or iptables, and kube-proxy --cleanup in between"

// lookForIPVS warns where packets to Services go another way than the tables know, or where nobody can tell.
func (e *Enforcer) lookForIPVS() {
	there, err := e.cfg.Host.IPVS()
	reason := ""
	switch {
	case err != nil:
		err = fmt.Errorf("look for kube-proxy's interface of IPVS: %w", err)
	case there:
		reason = bypassed
	}
	e.update(func(s status.Enforcement) status.Enforcement {
		now := time.Now()
		return s.Warn(status.StepServices, reason, now).Warn(status.StepServicesUnread, text(err), now)
	})
}
