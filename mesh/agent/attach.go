package agent

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"warren.mesh/mesh/status"
)

// awaitPolicies reports whether network policies were in force once, or are not to be. Before that the CNI
// configuration stays as it is, absent perhaps: pods would be attached that no policy limits, or that the gate turns
// away.
func (a *Agent) awaitPolicies() bool {
	if !a.gated && a.cfg.InForce != nil && !a.cfg.InForce() {
		a.report(stepAttach, waitingFor("the network policies to be in force"))
		return false
	}
	a.gated = true
	return true
}

// attach configures how pods are attached to this node, and reports whether the container runtime will use that. It
// comes after the host: the configuration's presence is what makes the kubelet start pods.
func (a *Agent) attach(podCIDRs []netip.Prefix, mtu int) (effective bool) {
	changed, err := a.cfg.Attachments.Configure(podCIDRs, mtu)
	a.report(stepAttach, err)
	if changed {
		a.log.Info("CNI configuration written", "cidrs", fmt.Sprint(podCIDRs), "mtu", mtu)
	}
	if changed || !a.surveyed || len(a.status.Snapshot().Pods.Strays) > 0 {
		a.survey(podCIDRs)
	}
	unrivalled := a.checkRival()
	a.checkPlugins()
	effective = err == nil && unrivalled
	a.status.Update(func(s status.Snapshot) status.Snapshot { s.Pods.Effective = effective; return s })
	return effective
}

// checkRival looks for a configuration that the container runtime uses instead of warren's: pods would get another
// network while the mesh says that it is well. It cannot know whether somebody wants that.
func (a *Agent) checkRival() (none bool) {
	file, delegates, err := a.cfg.Attachments.Rival()
	warning := ""
	switch {
	case file == "":
	case delegates:
		warning = "the container runtime attaches pods by " + file + ", which refers to warren's configuration"
	default:
		err = fmt.Errorf("the container runtime attaches pods by %s, whose name sorts before warren's: remove it, or "+
			"rename it so that it sorts later", file)
	}
	a.report(stepRival, err)
	a.status.Update(func(s status.Snapshot) status.Snapshot { return s.Warn(stepDelegation, warning, time.Now()) })
	return err == nil
}

// checkPlugins compares the plugins if they may have changed. It does not put them back: whoever may write them has all
// rights on the host, which this daemon needs not.
func (a *Agent) checkPlugins() {
	if a.cfg.Plugins == nil || !a.pluginsChanged.Swap(false) {
		return
	}
	names, err := a.cfg.Plugins.Replaced()
	warning := ""
	switch {
	case err != nil:
		warning = err.Error()
	case len(names) > 0:
		warning = fmt.Sprintf("somebody has replaced %s: restart this pod to install warren's again",
			strings.Join(names, ", "))
	}
	a.status.Update(func(s status.Snapshot) status.Snapshot { return s.Warn(stepPlugins, warning, time.Now()) })
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
		s.Pods.CIDRs, s.Pods.Strays = podCIDRs, strays
		return s
	})
}
