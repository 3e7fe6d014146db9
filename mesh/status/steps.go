package status

// The steps of the mesh's pass that readers of a Snapshot look for. There are others, which are for people alone.
const (
	// StepAPI waits while the API server has not been read in full, or is out of reach.
	StepAPI Step = "api server"
	// StepWay warns of the way to the API server.
	StepWay Step = "api server address"
	// StepRival fails while the container runtime uses another CNI configuration.
	StepRival Step = "other cni configuration"
	// StepDelegation warns of another CNI configuration that refers to warren's.
	StepDelegation Step = "cni delegation"
	// StepMTU warns while the underlay's MTU cannot be read.
	StepMTU Step = "underlay mtu"
	// StepFirewall fails while the host's other firewalls cannot be read or changed.
	StepFirewall Step = "host firewall"
	// StepOthers warns of what else may drop the mesh's packets.
	StepOthers Step = "other firewalls"
	// StepStrays fails while pods cannot be compared with the pod CIDRs.
	StepStrays Step = "stray pods"
)

// Steps of the pass over network policies that only warn.
const (
	// StepServices warns where a host's Services go around them.
	StepServices Step = "policy services"
	// StepServicesUnread warns while nobody can tell whether they do.
	StepServicesUnread Step = "policy services unread"
)

// Of returns the condition of a step, and false where there is none: then the step is done.
func (all Conditions) Of(step Step) (Condition, bool) {
	for _, c := range all {
		if c.Step == step {
			return c, true
		}
	}
	return Condition{}, false
}
