package mesh

import (
	"errors"
	"fmt"
)

// ErrWaiting is wrapped by Desired's error while self has no pod CIDR or no node IP yet: a state to wait in, with what
// runs kept, and not a failure.
var ErrWaiting = errors.New("waiting")

// waiting tells what self lacks; the error wraps ErrWaiting.
func (s Self) waiting() error {
	switch {
	case len(s.PodCIDRs) == 0:
		return fmt.Errorf("%w for a pod CIDR: spec.podCIDRs of node %s is empty", ErrWaiting, s.Name)
	case len(s.NodeIPs) == 0:
		return fmt.Errorf("%w for a node IP: status.addresses of node %s has no InternalIP", ErrWaiting, s.Name)
	}
	return nil
}

// Desired is what the host should look like.
func Desired(cfg Config, self Self, nodes []Node) (State, []Problem, error) {
	return State{}, nil, self.waiting()
}

// Bootstrap is what can be made fail-closed from the configuration alone, before anything is known of the cluster:
// apply Diff(Bootstrap(cfg), observed).WithoutRemovals().
func Bootstrap(cfg Config) State { return State{} }
