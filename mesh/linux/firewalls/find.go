package firewalls

import (
	"context"
	"errors"
	"slices"

	"warren.mesh/mesh/nft"
)

// Kind says which packets a finding is about.
type Kind string

// The kinds.
const (
	// Forwarded are pods' packets and the mesh's, in the hook forward.
	Forwarded Kind = "forwarded"
	// WireGuard are the packets that come to WireGuard's port, in the hook input.
	WireGuard Kind = "wireguard"
	// ToNode are all other packets that come to the node, in the hook input. The mesh does not need them.
	ToNode Kind = "to-node"
)

// Finding is a chain of somebody else's that drops packets, or may.
type Finding struct {
	Kind Kind
	// Family is "ip", "ip6", or "inet" for both.
	Family string
	// In and Out are the names of the interfaces that it is about; empty where it is about all.
	In, Out string
	// Surely says that no rule of the chain lets anything pass before. Otherwise whether a packet passes is a guess.
	Surely bool
	// Some says that it is about some of these packets only: a rule with further conditions.
	Some bool
	// Reason says which chain drops what, and Remedy is the command that mends it.
	Reason, Remedy string
}

// String reads "REASON: REMEDY".
func (x Finding) String() string { return x.Reason + ": " + x.Remedy }

// Look returns what others' firewalls drop, or may drop, as they are: of the mesh's packets, and of those that come to
// the node. It changes nothing, and works in the calling thread's network namespace.
func (f *Firewalls) Look(ctx context.Context) (all []Finding, err error) {
	chains, err := nft.BaseChains()
	if err != nil {
		return nil, err
	}
	var errs []error
	for _, base := range chains {
		if !concerns(base) {
			continue
		}
		c, end, err := read(base)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		all = append(all, f.named(c)...)
		if end < 0 {
			continue
		}
		all = append(all, f.ends(ctx, c, end)...)
		if base.Hook == "input" {
			all = append(all, c.closesNode())
		}
	}
	legacy, err := f.legacyFindings()
	return append(all, legacy...), errors.Join(append(errs, err)...)
}

func kindOf(hook string) Kind {
	if hook == "input" {
		return WireGuard
	}
	return Forwarded
}

// named are the rules before the chain's end that drop the mesh's packets by name: of its interfaces, or of its port.
// Of those with further conditions only the port's are told: what pods may not reach is for others to say.
func (f *Firewalls) named(c chain) (all []Finding) {
	for i, r := range c.before {
		if r.Verdict != "drop" || !f.isMesh(c.Hook, r) || r.Narrowed && c.Hook != "input" {
			continue
		}
		narrowed, some := r.Narrowed || c.Hook == "input" && r.In != "", ""
		if narrowed {
			some = "some of "
		}
		all = append(all, Finding{
			Kind: kindOf(c.Hook), Family: c.Family, In: r.In, Out: r.Out, Some: narrowed,
			Surely: surely(c.before[:i]) && !narrowed,
			Reason: "a rule of " + where(c.BaseChain) + " drops " + some + what(c.Hook) + " by name",
			Remedy: "take that rule away: nft -a list table " + c.String() + " shows its handle",
		})
	}
	return all
}

// isMesh reports whether a rule is about the mesh's packets alone.
func (f *Firewalls) isMesh(hook string, r nft.SimpleRule) bool {
	if hook == "input" {
		return r.UDPPort == f.Port
	}
	ours := []string{f.Link, f.Bridge}
	return r.UDPPort == 0 && (r.In != "" || r.Out != "") &&
		(r.In == "" || slices.Contains(ours, r.In)) && (r.Out == "" || slices.Contains(ours, r.Out))
}

// surely reports whether no rule ends the way through a chain otherwise than by a drop.
func surely(before []nft.SimpleRule) bool {
	return !slices.ContainsFunc(before, func(r nft.SimpleRule) bool {
		followed := r.Target != "" && r.Unconditional() && r.Verdict == "jump"
		return r.Verdict != "" && r.Verdict != "drop" && !followed
	})
}

// ends returns the finding of a chain that drops from a rule on what the mesh needs; none if it lets that in before.
func (f *Firewalls) ends(ctx context.Context, c chain, end int) []Finding {
	x := Finding{Kind: kindOf(c.Hook), Family: c.Family, Surely: surely(c.before)}
	switch {
	case !isIPTables(c.BaseChain):
		if f.lists(ctx, c.BaseChain) {
			return nil
		}
		x.Reason, x.Remedy = where(c.BaseChain)+" may drop "+what(c.Hook), f.remedy(c.BaseChain)
	case len(c.passing(f.wanted(c.Hook), end).add) == 0:
		return nil
	default:
		x.Reason, x.Remedy = where(c.BaseChain)+" drops "+what(c.Hook), f.iptables(iptablesOf[c.Family], c.Hook)
	}
	return []Finding{x}
}

// closesNode is the finding of a chain of the hook input that drops what nobody has let in.
func (c chain) closesNode() Finding {
	return Finding{
		Kind: ToNode, Family: c.Family, Surely: surely(c.before),
		Reason: where(c.BaseChain) + " drops what nobody has let in",
		Remedy: "look whether a rule lets it in: nft list table " + c.String(),
	}
}
