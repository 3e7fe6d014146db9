package linux

import (
	"context"
	"fmt"
	"net/netip"

	"sigs.k8s.io/knftables"

	"warren.mesh/mesh"
)

// The nftables table, as `nft list table inet warren` names it.
const (
	firewallFamily = knftables.InetFamily
	firewallTable  = "warren"
)

// firewall is the nftables table "inet warren": the leak guard, and the address translation of what leaves the mesh. It
// is written whole, in one transaction, or element by element where only node addresses change; nothing flushes it.
type firewall struct {
	nft knftables.Interface
	// count is told of every transaction.
	count func(kind string)
	own   ownWrites
}

// newFirewall is the firewall that nft (of the table "inet warren") gives access to.
func newFirewall(nft knftables.Interface, count func(kind string)) *firewall {
	return &firewall{nft: nft, count: count, own: ownWrites{generation: rulesetGeneration}}
}

// replace puts the table for fw in the place of whatever is there, damaged or not, in one transaction: there is no moment
// without a guard. The counters begin again at zero, as they do for a metric whose process restarts.
func (f *firewall) replace(ctx context.Context, fw mesh.Firewall) error {
	tx := f.nft.NewTransaction()
	// Deleting what is absent is an error, adding what exists is not. Nft 1.0.6 has no "destroy".
	tx.Add(&knftables.Table{})
	tx.Delete(&knftables.Table{})
	layoutOf(fw).write(tx)
	writeElements(tx, fw)
	if err := f.run(ctx, tx); err != nil {
		return fmt.Errorf("replace nftables table inet %s: %w", firewallTable, err)
	}
	return nil
}

// edit adds and removes node addresses, at a cost that depends on their number alone. What is there already, or gone
// already, is no error; a missing table or set is.
func (f *firewall) edit(ctx context.Context, edits mesh.Edits[netip.Addr]) error {
	tx := f.nft.NewTransaction()
	for _, ip := range edits.Add {
		tx.Add(nodeElement(ip))
	}
	for _, ip := range edits.Remove {
		tx.Add(nodeElement(ip))
		tx.Delete(nodeElement(ip))
	}
	if tx.NumOperations() == 0 {
		return nil
	}
	if err := f.run(ctx, tx); err != nil {
		return fmt.Errorf("edit node addresses of nftables table inet %s: %w", firewallTable, err)
	}
	return nil
}

// remove deletes the table. That it is absent is fine.
func (f *firewall) remove(ctx context.Context) error {
	tx := f.nft.NewTransaction()
	tx.Add(&knftables.Table{})
	tx.Delete(&knftables.Table{})
	if err := f.run(ctx, tx); err != nil {
		return fmt.Errorf("delete nftables table inet %s: %w", firewallTable, err)
	}
	return nil
}

// leaks are the counters by name, in packets since the table was last replaced; none where there is no table.
func (f *firewall) leaks(ctx context.Context) (map[string]uint64, error) {
	counters, err := f.nft.ListCounters(ctx)
	if knftables.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list counters of nftables table inet %s: %w", firewallTable, err)
	}
	packets := make(map[string]uint64, len(counters))
	for _, c := range counters {
		packets[c.Name] = *c.Packets
	}
	return packets, nil
}

func (f *firewall) run(ctx context.Context, tx *knftables.Transaction) error {
	return f.own.during(func() error {
		f.count("nft-transaction")
		return f.nft.Run(ctx, tx)
	})
}
