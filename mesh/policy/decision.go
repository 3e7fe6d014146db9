package policy

import (
	"cmp"
	"fmt"
	"strings"
)

// Decision is what Judge says of a connection.
type Decision struct {
	// Allowed says that it is let through, by this node; another node may still refuse it.
	Allowed bool
	Reason  Reason
	// Egress is what the client's policies say, Ingress what the server's say, where those are pods of this node. Both
	// are zero if Reason says that no policy was asked.
	Egress, Ingress Direction
}

// Reason says by what a connection is decided.
type Reason string

// The reasons.
const (
	// ByPolicies says that the policies of both ends decide, which let everything through where there are none.
	ByPolicies Reason = "by the policies"
	// FromNode says that the client is this node itself, the kubelet's probes among it, which is always let through.
	FromNode Reason = "from this node"
	// Itself says that client and server are one pod.
	Itself Reason = "a pod and itself"
	// UnknownPod says that an end is an address on this node's bridge without a pod of which the labels are known, or
	// with several.
	UnknownPod Reason = "a pod of this node that is not known"
	// LinkLocal says that the client's address is an IPv6 link-local one. Nobody knows whose that is, so no policy can
	// speak of it: a pod uses it to find its neighbours, and opens no connection from it.
	LinkLocal Reason = "from a link-local address"
)

// Direction is what the policies of one end say.
type Direction struct {
	// Pod is "namespace/name"; empty where the end is no pod of this node and has no policies here.
	Pod string
	// Isolating are the policies that isolate the pod in this direction, as "namespace/name", sorted.
	Isolating []string
	// Allowed says that no policy isolates the pod, or that a rule lets the connection through.
	Allowed bool
	// By is the first rule that lets it through; nil where there is none.
	By *RuleName
	// WrongPort are rules that name the other end as a peer, and not the port; WrongPeer those that name the port, and
	// not the other end.
	WrongPort, WrongPeer []RuleName
}

// RuleName names a rule of a policy.
type RuleName struct {
	// Policy is "namespace/name", Index the rule's place in spec.ingress or spec.egress.
	Policy string
	Index  int
}

// String returns "x/db-in 0".
func (r RuleName) String() string { return fmt.Sprintf("%s %d", r.Policy, r.Index) }

// String returns a few lines for people: what is decided, by what, and what would let the connection through.
func (d Decision) String() string {
	var b strings.Builder
	word := map[bool]string{true: "let through", false: "refused"}
	fmt.Fprintf(&b, "%s: %s\n", word[d.Allowed], d.Reason)
	d.Egress.write(&b, "egress", "to")
	d.Ingress.write(&b, "ingress", "from")
	return b.String()
}

func (d Direction) write(b *strings.Builder, name, peers string) {
	switch {
	case d.Pod == "":
	case len(d.Isolating) == 0:
		fmt.Fprintf(b, "%s of %s: no policy isolates it\n", name, d.Pod)
	case d.By != nil:
		fmt.Fprintf(b, "%s of %s: let through by rule %v\n", name, d.Pod, *d.By)
	default:
		fmt.Fprintf(b, "%s of %s: isolated by %s, and no rule lets this through\n", name, d.Pod,
			strings.Join(d.Isolating, ", "))
		for _, r := range d.WrongPort {
			fmt.Fprintf(b, "  rule %v would, if it had the port\n", r)
		}
		for _, r := range d.WrongPeer {
			fmt.Fprintf(b, "  rule %v would, if its %q had the other end\n", r, peers)
		}
		if len(d.WrongPort)+len(d.WrongPeer) == 0 {
			fmt.Fprintf(b, "  a rule with the other end in %q and the port in \"ports\" would let it through\n", peers)
		}
	}
}

func comparePolicies(a, b Policy) int {
	return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
}
