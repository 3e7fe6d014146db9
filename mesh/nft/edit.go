package nft

import (
	"context"
	"fmt"

	"sigs.k8s.io/knftables"
)

// Edit is a change of a table that is in force, carried out in the order of the fields. All of it is one transaction,
// unless it adds chains: those come in one before it, with the new sets and maps.
type Edit struct {
	// Sets, Maps and Chains are added, the chains with their rules. None of these is there yet.
	Sets   []Set
	Maps   []Map
	Chains []Chain
	// Flush names sets that are emptied.
	Flush []string
	// Remove and Add are elements that go and elements that come. One whose value changes is in both.
	Remove, Add []Element
	// DropChains, DropMaps and DropSets name what is deleted, after everything that referred to it.
	DropChains, DropMaps, DropSets []string
}

// Empty reports whether the edit changes nothing.
func (e Edit) Empty() bool {
	return len(e.Sets)+len(e.Maps)+len(e.Chains)+len(e.Flush)+len(e.Remove)+len(e.Add)+
		len(e.DropChains)+len(e.DropMaps)+len(e.DropSets) == 0
}

// Apply carries out an edit, at a cost that depends on its size alone; an empty one is no transaction. Where the table
// is not as the edit expects it, nothing of the edit is done, but new chains, sets and maps to which nothing refers may
// be left: knftables.IsNotFound holds for the error where something that it names is missing, and
// knftables.IsAlreadyExists where something that it adds is there.
func (t *Table) Apply(ctx context.Context, e Edit) error {
	first, rest := e.beforehand()
	for _, part := range []Edit{first, rest} {
		if part.Empty() || quick([]*Table{t}, []Edit{part}) == nil {
			continue
		}
		tx := t.nft.NewTransaction()
		part.write(tx)
		if err := t.run(ctx, tx); err != nil {
			return fmt.Errorf("edit nftables table %v: %w", t.ID, err)
		}
	}
	return nil
}

// beforehand splits an edit into two that follow each other: the new chains, with the new sets and maps that they name,
// and the rest. Without new chains, the first is empty.
//
// To a packet that is on its way, a transaction is not atomic: elements are found as they are now, but the rules of a
// chain as they were when the packet entered the hook (nft_do_chain of Linux reads the generation once, each lookup
// reads it anew). A packet that finds a new element, which jumps to a chain of the same transaction, would find no
// rules there, and return from it as if a rule had let it through.
func (e Edit) beforehand() (first, rest Edit) {
	if len(e.Chains) == 0 {
		return Edit{}, e
	}
	fresh := map[string]bool{}
	for _, s := range e.Sets {
		fresh[s.Name] = true
	}
	for _, m := range e.Maps {
		fresh[m.Name] = true
	}
	first = Edit{Sets: e.Sets, Maps: e.Maps, Chains: e.Chains}
	rest = e
	rest.Sets, rest.Maps, rest.Chains, rest.Add = nil, nil, nil, nil
	for _, element := range e.Add {
		if fresh[element.Set] || fresh[element.Map] {
			first.Add = append(first.Add, element)
		} else {
			rest.Add = append(rest.Add, element)
		}
	}
	return first, rest
}

func (e Edit) write(tx *knftables.Transaction) {
	for _, s := range e.Sets {
		tx.Create(s.object())
	}
	for _, m := range e.Maps {
		tx.Add(m.object()) // knftables' fake cannot create maps
	}
	writeChains(tx, tx.Create, e.Chains)
	for _, name := range e.Flush {
		tx.Flush(&knftables.Set{Name: name})
	}
	for _, element := range e.Remove {
		tx.Delete(element.object())
	}
	for _, element := range e.Add {
		tx.Create(element.object())
	}
	e.writeDrops(tx)
}

// writeDrops empties all chains before it deletes the first: one of them may jump to another.
func (e Edit) writeDrops(tx *knftables.Transaction) {
	for _, name := range e.DropChains {
		tx.Flush(&knftables.Chain{Name: name})
	}
	for _, name := range e.DropChains {
		tx.Delete(&knftables.Chain{Name: name})
	}
	for _, name := range e.DropMaps {
		tx.Delete(&knftables.Map{Name: name})
	}
	for _, name := range e.DropSets {
		tx.Delete(&knftables.Set{Name: name})
	}
}
