package agent

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"warren.mesh/mesh/status"
)

// hostPortsGrace is how long a pod may lack the rules of its host ports before it is told, and how often those that do
// are looked at again: when a pod is detached, its rules go some moments before its address.
const hostPortsGrace = 5 * time.Second

// hostPorts is what is known of pods whose host ports nobody forwards.
type hostPorts struct {
	// lost are those that were found by the last look, as texts for operators.
	lost map[string]bool
	// due is when to look again; zero while all are forwarded.
	due time.Time
}

// checkHostPorts looks for pods whose host ports no rule forwards any more: the rules are the plugin's, and nobody puts
// them back when they are flushed.
func (a *Agent) checkHostPorts(ctx context.Context) {
	lost, err := a.unforwarded(ctx)
	var told []string
	for _, pod := range slices.Sorted(maps.Keys(lost)) {
		if a.hostPorts.lost[pod] {
			told = append(told, pod)
		}
	}
	a.hostPorts = hostPorts{lost: lost}
	if len(lost) > 0 || err != nil {
		a.hostPorts.due = time.Now().Add(hostPortsGrace)
	}
	warning := ""
	switch {
	case err != nil:
		warning = err.Error()
	case len(told) > 0:
		warning = "the rules that forward host ports are gone, as after `nft flush ruleset`, for these pods: delete " +
			"them, so that they are made anew: " + strings.Join(told, ", ")
	}
	a.status.Update(func(s status.Snapshot) status.Snapshot { return s.Warn(stepHostPorts, warning, time.Now()) })
}

// unforwarded returns the pods whose host ports no rule forwards, in a family at least.
func (a *Agent) unforwarded(ctx context.Context) (lost map[string]bool, err error) {
	lost = map[string]bool{}
	for _, v6 := range []bool{false, true} {
		pods, err := a.cfg.Attachments.HostPorts(v6)
		if err != nil {
			return nil, err
		}
		ids, err := a.cfg.Host.Unforwarded(ctx, slices.Sorted(maps.Keys(pods)), v6)
		if err != nil {
			return nil, fmt.Errorf("find the rules of host ports: %w", err)
		}
		for _, id := range ids {
			lost[pods[id]] = true
		}
	}
	return lost, nil
}
