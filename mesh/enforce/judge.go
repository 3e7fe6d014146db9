package enforce

import "warren.mesh/mesh/policy"

// Judge says what the policies that are known decide about a connection, whether or not they are in force yet. It costs
// what the cluster has of pods, and is for people who ask.
func (e *Enforcer) Judge(c policy.Connection) policy.Decision {
	e.mu.Lock()
	in := e.cfg.Index.Input(e.cfg.Node)
	e.mu.Unlock()
	return policy.Judge(in, c)
}
