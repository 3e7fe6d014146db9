package walls

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"warren.mesh/mesh/nft"
	"warren.mesh/mesh/ports"
)

// Policy is the table of the network policies.
var Policy = nft.ID{Family: "inet", Name: "warren-policy"}

// fresh are the sets of the policies' table that remember what was let through.
var fresh = []string{"fresh4", "fresh6"}

// Walls are the two tables in the network namespace of the thread that calls. Make them with Open. The methods may be
// called concurrently; one change runs at a time.
type Walls struct {
	bridge        string
	ports, policy *nft.Table

	// mu is held while the tables are compared or changed.
	mu sync.Mutex
	// owed says that flush has failed: the tables are as they should be, but for what was remembered late.
	owed bool
}

// Open returns access to the tables, which need not exist. It fails where the nft command is missing or older than
// 1.0.1. written is called before each transaction, with the kind of write.
func Open(bridge string, written func(kind string)) (*Walls, error) {
	count := func() { written("nft-transaction") }
	portsTable, err := nft.Open(ports.Table, count)
	if err != nil {
		return nil, err
	}
	policy, err := nft.Open(Policy, count)
	if err != nil {
		return nil, err
	}
	return &Walls{bridge: bridge, ports: portsTable, policy: policy}, nil
}

// SyncTables makes the tables as the layouts have them, in one transaction for both (see nft.Together), and reports
// whether that took one. It writes the difference where an edit does, and else the whole table: none at all where
// nothing differs. What was let through before is asked again wherever something has changed.
func (w *Walls) SyncTables(ctx context.Context, ports, policy nft.Layout) (changed bool, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	portsChange, err := difference(ctx, w.ports, ports)
	if err != nil {
		return false, err
	}
	policyChange, err := difference(ctx, w.policy, policy)
	if err != nil {
		return false, err
	}
	edited := policyChange.Layout == nil && !policyChange.Edit.Empty()
	if edited {
		policyChange.Edit.Flush = fresh
	}
	if portsChange.Empty() && policyChange.Empty() {
		if w.owed {
			return true, w.flush(ctx)
		}
		return false, nil
	}
	if err := nft.Together(ctx, portsChange, policyChange); err != nil {
		return false, err
	}
	if edited || w.owed {
		return true, w.flush(ctx)
	}
	return true, nil
}

// difference is what makes the table the layout.
func difference(ctx context.Context, t *nft.Table, want nft.Layout) (nft.Change, error) {
	have, err := t.List(ctx)
	if err != nil {
		return nft.Change{}, err
	}
	if edit, ok := nft.Diff(have, want); ok {
		return nft.Change{Table: t, Edit: edit}, nil
	}
	return nft.Change{Table: t, Layout: &want}, nil
}

// EditTables carries out edits of both tables in one transaction (see nft.Together). Where the policies let something
// through no longer, tightens says so: then what was let through before is asked again. Where a table is not as an edit
// expects it, it fails and does nothing that a packet could tell, and SyncTables mends the table.
func (w *Walls) EditTables(ctx context.Context, ports, policy nft.Edit, tightens bool) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if tightens {
		policy.Flush = append(policy.Flush[:len(policy.Flush):len(policy.Flush)], fresh...)
	}
	err := nft.Together(ctx, nft.Change{Table: w.ports, Edit: ports}, nft.Change{Table: w.policy, Edit: policy})
	if err != nil || !tightens && !w.owed {
		return err
	}
	return w.flush(ctx)
}

// flush forgets what was let through once more after the transaction: a packet that the old rules judged may have been
// remembered late. Where it fails, the next change or comparison does it.
func (w *Walls) flush(ctx context.Context) error {
	err := w.policy.Apply(ctx, nft.Edit{Flush: fresh})
	w.owed = err != nil
	return err
}

// RemoveTables deletes both tables, or fewer where there are fewer.
func (w *Walls) RemoveTables(ctx context.Context) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, t := range []*nft.Table{w.ports, w.policy} {
		there, err := t.Exists()
		if err != nil {
			return err
		}
		if !there {
			continue
		}
		if err := t.Delete(ctx); err != nil {
			return err
		}
	}
	return nil
}

// PolicyCounters returns the counters of both tables by name, in packets; of one that both have, the sum. None where
// there are no tables.
func (w *Walls) PolicyCounters(ctx context.Context) (map[string]uint64, error) {
	all := map[string]uint64{}
	for _, t := range []*nft.Table{w.ports, w.policy} {
		counters, err := t.Counters(ctx)
		if err != nil {
			return nil, err
		}
		for name, packets := range counters {
			all[name] += packets
		}
	}
	return all, nil
}

// PolicySupport reports what of the tables this host's kernel or its nft command lacks, and changes nothing. Where both
// tables are there, the kernel has what they need. Then nft is not asked: it may crash, and nothing may need it.
func (w *Walls) PolicySupport(ctx context.Context) error {
	if there, err := w.there(); err != nil || there {
		return err
	}
	if err := w.ports.Check(ctx, probePorts(w.bridge)); err != nil {
		if errors.Is(err, nft.ErrCrashed) {
			return err // whatever the kernel has
		}
		return fmt.Errorf("nftables cannot keep pods apart on a bridge; the kernel needs CONFIG_NF_TABLES_BRIDGE "+
			"and, where it has it as a module, nft_meta_bridge (or start with --network-policy=off): %w", err)
	}
	if err := w.policy.Check(ctx, probePolicy()); err != nil {
		if errors.Is(err, nft.ErrCrashed) {
			return err
		}
		return fmt.Errorf("nftables cannot keep network policies; the kernel needs conntrack expressions and sets of "+
			"nftables with timeouts (or start with --network-policy=off): %w", err)
	}
	return nil
}

// there reports whether both tables are there.
func (w *Walls) there() (bool, error) {
	ports, errPorts := w.ports.Exists()
	policy, errPolicy := w.policy.Exists()
	return ports && policy, errors.Join(errPorts, errPolicy)
}
