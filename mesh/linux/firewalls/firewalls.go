package firewalls

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"warren.mesh/mesh/nft"
)

// Firewalls are the firewalls of others in a network namespace. Set the fields before the first call; the methods may
// be called concurrently.
type Firewalls struct {
	// Link and Bridge are the mesh's interfaces, and Port is WireGuard's.
	Link, Bridge string
	Port         uint16
	// Probes is the UDP port by which nodes ask each other inside the mesh; zero for none.
	Probes uint16
	// Open says that rules may be added to iptables' chains. Otherwise those are others' like all.
	Open bool
	// Count is called for every rule that is added or removed, with the kind of write.
	Count func(kind string)

	// readsAll says that the nft command is known to read what every other version has written.
	readsAll atomic.Bool

	mu sync.Mutex
	// watched are the tables in which a change may matter, and chains the base chains in whose rules one may.
	watched map[nft.ID]bool
	chains  map[chainName]bool
}

// chainName is a chain of a table.
type chainName struct {
	nft.ID
	chain string
}

// The kinds of write.
const (
	opRuleAdd = "firewall-rule-add"
	opRuleDel = "firewall-rule-del"
)

// Pass lets the mesh pass iptables' chains where they drop what nobody has let in, and returns what it changed, and
// what else may drop the mesh's packets, or keeps warren from writing its tables, each with what mends it. It reads a
// rule list only of chains that matter. It works in the calling thread's network namespace.
func (f *Firewalls) Pass(ctx context.Context) (changed, doubts []string, err error) {
	all, err := nft.BaseChains()
	if err != nil {
		return nil, nil, err
	}
	watched, chains := map[nft.ID]bool{}, map[chainName]bool{}
	var errs []error
	for _, c := range all {
		if !concerns(c) {
			continue
		}
		chains[chainName{c.ID, c.Chain}] = true
		done, found, err := f.pass(ctx, c)
		for _, x := range found {
			watched[c.ID] = true
			doubts = append(doubts, x.String())
		}
		changed = append(changed, done...)
		errs = append(errs, err)
	}
	legacy, err := f.legacyFindings()
	for _, x := range legacy {
		doubts = append(doubts, x.String())
	}
	unreadable, failed := f.unreadable(ctx)
	for _, s := range unreadable {
		watched[s.ID] = true
	}
	doubts = append(doubts, nft.Remedies(unreadable)...)
	errs = append(errs, failed)
	f.mu.Lock()
	f.watched, f.chains = watched, chains
	f.mu.Unlock()
	return changed, doubts, errors.Join(append(errs, err)...)
}

// unreadable returns the sets that crash warren's nft: none once it has said a version that reads all. One that says no
// version may crash.
func (f *Firewalls) unreadable(ctx context.Context) ([]nft.UnreadableSet, error) {
	if f.readsAll.Load() {
		return nil, nil
	}
	sets, err := nft.UnreadableSets()
	if len(sets) == 0 {
		return nil, err
	}
	if all, failed := nft.ReadsAll(ctx); failed == nil && all {
		f.readsAll.Store(true)
		return nil, nil
	}
	return sets, err
}

// pass judges one chain, and opens it where it is iptables' and may be opened.
func (f *Firewalls) pass(ctx context.Context, base nft.BaseChain) (changed []string, found []Finding, err error) {
	c, end, err := read(base)
	if err != nil {
		return nil, nil, err
	}
	found = slices.DeleteFunc(f.named(c), func(x Finding) bool { return x.Some })
	if end < 0 {
		return nil, found, nil
	}
	if !isIPTables(base) {
		return nil, append(found, f.ends(ctx, c, end)...), nil
	}
	if !f.Open {
		for _, x := range f.ends(ctx, c, end) {
			x.Reason += ", and --open-firewall=false forbids to let it in"
			found = append(found, x)
		}
		return nil, found, nil
	}
	changed, err = f.edit(base, c.passing(append(f.wanted(base.Hook), f.useful(base.Hook)...), end))
	return changed, found, err
}

// wanted are the rules that let the mesh pass a hook: in forward all that comes from pods and the mesh or goes there,
// of which the guard drops what it must; in input WireGuard's packets.
func (f *Firewalls) wanted(hook string) []nft.SimpleRule {
	if hook == "input" {
		return []nft.SimpleRule{{UDPPort: f.Port, Comment: Comment + "WireGuard"}}
	}
	return []nft.SimpleRule{
		{In: f.Bridge, Comment: Comment + "from pods"}, {Out: f.Bridge, Comment: Comment + "to pods"},
		{In: f.Link, Comment: Comment + "out of the mesh"}, {Out: f.Link, Comment: Comment + "into the mesh"},
	}
}

// useful are the rules beside wanted that are added where those are. The mesh works without them, so that what drops
// these packets is no finding: probes of other nodes, which come out of the mesh.
func (f *Firewalls) useful(hook string) []nft.SimpleRule {
	if hook != "input" || f.Probes == 0 {
		return nil
	}
	return []nft.SimpleRule{{In: f.Link, UDPPort: f.Probes, Comment: Comment + "probes"}}
}

func (f *Firewalls) edit(c nft.BaseChain, e edit) (changed []string, err error) {
	if len(e.add) > 0 {
		// Of several rules before another one, the first comes first.
		if err := nft.AddRules(c.ID, c.Chain, e.before, e.add...); err != nil {
			return nil, err
		}
		for _, r := range e.add {
			f.Count(opRuleAdd)
			changed = append(changed, fmt.Sprintf("%v %s: %s", c.ID, c.Chain, r.Comment))
		}
	}
	if len(e.remove) > 0 {
		if err := nft.DeleteRules(c.ID, c.Chain, e.remove...); err != nil {
			return changed, err
		}
		for range e.remove {
			f.Count(opRuleDel)
		}
	}
	return changed, nil
}

// Concerns reports whether a change may matter to Pass: see nft.Watch.
func (f *Firewalls) Concerns(table nft.ID, chain, hook string) bool {
	if table.Own() {
		return false
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	iptables := (table.Family == "ip" || table.Family == "ip6") && table.Name == "filter"
	return ofPortmap(table, chain) || hook == "forward" || hook == "input" || f.watched[table] ||
		f.chains[chainName{table, chain}] ||
		iptables && (chain == "FORWARD" || chain == "INPUT")
}

// Remove deletes warren's rules from iptables' chains, and leaves the others'.
func Remove() error {
	all, err := nft.BaseChains()
	if err != nil {
		return err
	}
	var errs []error
	for _, c := range all {
		if !concerns(c) || !isIPTables(c) {
			continue
		}
		rules, err := nft.Rules(c.ID, c.Chain)
		errs = append(errs, err)
		var handles []uint64
		for _, r := range rules {
			if strings.HasPrefix(r.Comment, Comment) {
				handles = append(handles, r.Handle)
			}
		}
		errs = append(errs, nft.DeleteRules(c.ID, c.Chain, handles...))
	}
	return errors.Join(errs...)
}
