package nft

import (
	"context"
	"fmt"

	"sigs.k8s.io/knftables"
)

// Table is a table of a network namespace. It is written whole, in one transaction, or element by element; nothing ever
// flushes it. Make one with Open. Its methods may be called concurrently.
type Table struct {
	ID
	nft knftables.Interface
	// written is called before each transaction.
	written func()
	own     ownWrites
	list    func(context.Context) (Listing, error)
	// quick says that this is a table of the kernel's.
	quick bool
	count func(context.Context) (map[string]uint64, error)
}

// Open returns access to a table, which need not exist. It fails where the nft command is missing or older than 1.0.1.
// written is called before each transaction.
func Open(id ID, written func()) (*Table, error) {
	nft, err := knftables.New(knftables.Family(id.Family), id.Name)
	if err != nil {
		return nil, err
	}
	return New(id, nft, written), nil
}

// New returns a Table that uses nft, which is for this table; tests pass knftables' fake.
func New(id ID, nft knftables.Interface, written func()) *Table {
	t := &Table{ID: id, nft: nft, written: written, own: ownWrites{generation: rulesetGeneration}, quick: true}
	t.list = func(context.Context) (Listing, error) { return listKernel(id) }
	t.count = func(context.Context) (map[string]uint64, error) { return countKernel(id) }
	if _, fake := nft.(interface{ Dump() string }); fake {
		t.list, t.count, t.quick = t.listFake, t.countFake, false
	}
	return t
}

// Replace puts the layout in the place of whatever is there, damaged or not, in one transaction: there is no moment
// without a table. The counters begin again at zero, as they do for a metric whose process restarts.
func (t *Table) Replace(ctx context.Context, l Layout) error {
	if l.ID != t.ID {
		return fmt.Errorf("replace nftables table %v: the layout is table %v's", t.ID, l.ID)
	}
	tx := t.deletion()
	l.write(tx)
	if err := t.run(ctx, tx); err != nil {
		return fmt.Errorf("replace nftables table %v: %w", t.ID, err)
	}
	return nil
}

// Edit adds and removes elements, at a cost that depends on their number alone. Adding what is there and removing what
// is absent succeed; where the table or the set is missing, knftables.IsNotFound holds for the error. The kernel is
// asked first, and the command only where it refuses: it says why, or does it after all.
func (t *Table) Edit(ctx context.Context, add, remove []Element) error {
	if len(add)+len(remove) == 0 || t.quickAgain(add, remove) == nil {
		return nil
	}
	tx := t.nft.NewTransaction()
	for _, e := range add {
		tx.Add(e.object())
	}
	// Deleting what is absent is an error, adding what is there is not. Nft 1.0.6 has no "destroy".
	for _, e := range remove {
		tx.Add(e.object())
		tx.Delete(e.object())
	}
	if err := t.run(ctx, tx); err != nil {
		return fmt.Errorf("edit elements of nftables table %v: %w", t.ID, err)
	}
	return nil
}

// Delete deletes the table. Deleting an absent one succeeds.
func (t *Table) Delete(ctx context.Context) error {
	deletion := func() error { return t.run(ctx, t.deletion()) }
	if t.quick {
		deletion = t.quickDelete // whatever the command says to others' tables
	}
	if err := deletion(); err != nil {
		return fmt.Errorf("delete nftables table %v: %w", t.ID, err)
	}
	return nil
}

// Counters returns the counters by name, in packets since the table was last replaced; nil where there is no table.
func (t *Table) Counters(ctx context.Context) (map[string]uint64, error) {
	packets, err := t.count(ctx)
	if err != nil {
		return nil, fmt.Errorf("list counters of nftables table %v: %w", t.ID, err)
	}
	return packets, nil
}

// deletion returns a transaction that begins by deleting the table, whether or not it is there.
func (t *Table) deletion() *knftables.Transaction {
	tx := t.nft.NewTransaction()
	tx.Add(&knftables.Table{})
	tx.Delete(&knftables.Table{})
	return tx
}

func (t *Table) run(ctx context.Context, tx *knftables.Transaction) error {
	return t.own.record(func() error {
		t.written()
		return explained(ctx, t.nft.Run(ctx, tx))
	})
}
