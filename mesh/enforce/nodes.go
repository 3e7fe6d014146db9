package enforce

import (
	"cmp"
	"maps"
	"slices"

	"warren.mesh/mesh"
	"warren.mesh/mesh/policy"
)

// newNodes returns the nodes, and nil if they have not changed. The cluster is asked without mu: it may hold a lock of
// its own while it hands something over.
func (e *Enforcer) newNodes() []mesh.Node {
	e.mu.Lock()
	changed := e.known.nodesChanged
	e.known.nodesChanged = false
	e.mu.Unlock()
	if !changed {
		return nil
	}
	return e.cfg.Cluster.Nodes()
}

// setNodes tells the index of the nodes. A list without the own Node says nothing.
func (e *Enforcer) setNodes(nodes []mesh.Node) {
	if !slices.ContainsFunc(nodes, func(n mesh.Node) bool { return n.Name == e.cfg.Node }) {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.nameless = 0
	gone := maps.Clone(e.nodes)
	for _, n := range nodes {
		if n.Name == "" {
			e.nameless++
		}
		now := policyNode(n)
		delete(gone, now.Name)
		old, ok := e.nodes[now.Name]
		if ok && slices.Equal(old.InternalIPs, now.InternalIPs) && slices.Equal(old.PodCIDRs, now.PodCIDRs) {
			continue
		}
		e.cfg.Index.SetNode(now)
		e.nodes[now.Name] = now
	}
	for name := range gone {
		e.cfg.Index.DeleteNode(name)
		delete(e.nodes, name)
	}
}

// policyNode returns what decides about connections. A node without a name gets its public key as its name, which no
// Node has: so no pod is said to be on it.
func policyNode(n mesh.Node) policy.Node {
	node := policy.Node{
		Name: cmp.Or(n.Name, n.PublicKey.String()), InternalIPs: n.NodeIPs, PodCIDRs: n.PodCIDRs,
	}
	for _, cidr := range n.PodCIDRs {
		node.Gateways = append(node.Gateways, mesh.Gateway(cidr))
	}
	return node
}
