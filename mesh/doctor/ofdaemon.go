package doctor

import (
	"fmt"
	"slices"
	"strings"

	"warren.mesh/mesh"
	"warren.mesh/mesh/status"
	"warren.mesh/mesh/view"
)

// condition returns what the daemon says of steps: the worst of them, or that all are done.
func (n Node) condition(steps ...status.Step) found {
	if n.Report.Status == nil {
		return daemonDown
	}
	f := well
	for _, step := range steps {
		c, there := n.Report.Status.Conditions.Of(step)
		switch {
		case !there:
		case c.State == status.Warning && f.result == view.OK:
			f = found{result: view.Warn, detail: c.Reason}
		case c.State != status.Warning:
			return found{result: view.Fail, detail: c.Reason}
		}
	}
	return f
}

func (n Node) apiServer() found { return n.condition(status.StepAPI, status.StepWay) }

// services looks for what the pass over network policies says of them; where none are kept, there is nothing to go
// around.
func (n Node) services() found {
	if n.Report.Status == nil {
		return daemonDown
	}
	e := n.Report.Status.Enforcement
	if c, there := e.Conditions.Of(status.StepServices); there {
		return found{result: view.Warn, detail: c.Reason}
	}
	if c, there := e.Conditions.Of(status.StepServicesUnread); there {
		return found{result: view.Unknown, detail: c.Reason}
	}
	if e.On && e.Synced.IsZero() && len(e.Conditions) == 0 {
		return found{result: view.Unknown, detail: "the daemon has not looked yet"}
	}
	return well
}

func (n Node) admission() found {
	switch {
	case n.Report.Status == nil:
		return daemonDown
	case n.Report.Status.Policies == status.PoliciesInForce:
		return well
	case n.Report.Status.Policies == status.PoliciesMissing:
		return found{result: view.Warn, detail: "nothing checks what is announced of this node"}
	default:
		return found{result: view.Unknown, detail: "the daemon has not asked yet"}
	}
}

func (n Node) ready() found {
	if n.Report.Status == nil {
		return daemonDown
	}
	if reasons := n.Report.Status.Unready(); len(reasons) > 0 {
		return found{result: view.Fail, detail: strings.Join(reasons, "; ")}
	}
	return well
}

// inMesh looks for problems that leave nodes out: those of nodes that are no peers. Others cost an address.
func (n Node) inMesh() found {
	if n.Report.Status == nil {
		return daemonDown
	}
	peers := map[string]bool{}
	for _, p := range n.Report.Peers {
		peers[p.Node] = true
	}
	f := well
	var texts []string
	for _, p := range n.Report.Status.Problems {
		switch {
		case p.Field == mesh.FieldPodCIDRs:
			continue // see clusterCIDRs
		case n.Report.ObservedAt.IsZero():
			f.result = view.Unknown // who is a peer
		case !peers[p.Node]:
			f.result = view.Fail
		case f.result == view.OK:
			f.result = view.Warn
		}
		texts = append(texts, fmt.Sprintf("%s: %s: %s", p.Node, p.Field, p.Reason))
	}
	f.detail = view.First(texts, "; ")
	return f
}

func (n Node) clusterCIDRs() found {
	if n.Report.Status == nil {
		return daemonDown
	}
	var texts []string
	for _, p := range n.Report.Status.Problems {
		if p.Field == mesh.FieldPodCIDRs {
			texts = append(texts, p.Node+": "+p.Reason)
		}
	}
	if len(texts) > 0 {
		return found{result: view.Fail, detail: view.First(texts, "; ")}
	}
	return well
}

func (n Node) sessions() found {
	if n.Proof != nil {
		return n.Proof.answers()
	}
	c := view.CheckPeers(n.Report)
	return found{result: c.Result, figure: c.Figure, detail: c.Detail}
}

// roamed returns the peers to whose announced endpoints the device does not send: their packets come from elsewhere.
func (n Node) roamed() (all []status.Peer, read bool) {
	if n.Report.Status == nil || n.Report.ObservedAt.IsZero() {
		return nil, false // a device alone keeps no names, and does not know what is announced
	}
	for _, p := range n.Report.Peers {
		if p.Endpoint.IsValid() && p.Announced.IsValid() && p.Endpoint != p.Announced &&
			!slices.Contains(p.Alternatives, p.Endpoint) {
			all = append(all, p)
		}
	}
	return all, true
}

func (n Node) endpoints() found {
	peers, read := n.roamed()
	if !read {
		return daemonDown
	}
	var texts []string
	for _, p := range peers {
		texts = append(texts, fmt.Sprintf("%s: packets come from %v, it announces %v", p.Node, p.Endpoint, p.Announced))
	}
	if len(texts) > 0 {
		return found{result: view.Warn, detail: view.First(texts, "; ")}
	}
	return well
}

func (n Node) keepalive() found {
	peers, read := n.roamed()
	if !read {
		return daemonDown
	}
	var names []string
	for _, p := range peers {
		if p.KeepaliveSeconds == 0 {
			names = append(names, p.Node)
		}
	}
	if len(names) > 0 {
		return found{result: view.Warn, detail: "behind NAT, without a keepalive: " + view.First(names, ", ")}
	}
	return well
}
