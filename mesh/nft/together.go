package nft

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"strings"

	"sigs.k8s.io/knftables"

	"warren.mesh/internal/excerpt"
)

// Change is what becomes of one table: Layout takes its place or, where that is nil, Edit is carried out.
type Change struct {
	*Table
	Layout *Layout
	Edit   Edit
}

// Together makes changes of several tables in one transaction: all are made or none. What changes nothing is left out.
// Chains that edits add come in a transaction before it, as in Table.Apply.
func Together(ctx context.Context, changes ...Change) error {
	var first, rest []Change
	for _, c := range changes {
		before, after := c.beforehand()
		first, rest = append(first, before), append(rest, after)
	}
	if err := inOne(ctx, first); err != nil {
		return err
	}
	return inOne(ctx, rest)
}

// beforehand splits a change as Edit.beforehand does; a layout comes whole.
func (c Change) beforehand() (first, rest Change) {
	if c.Layout != nil {
		return Change{Table: c.Table}, c
	}
	first, rest = c, c
	first.Edit, rest.Edit = c.Edit.beforehand()
	return first, rest
}

// inOne makes the changes in one transaction, or none.
func inOne(ctx context.Context, changes []Change) error {
	var names []string
	var transactions []*knftables.Transaction
	var tables []*Table
	var edits []Edit
	for _, c := range changes {
		if c.Empty() {
			continue
		}
		names, tables = append(names, c.String()), append(tables, c.Table)
		transactions = append(transactions, c.transaction())
		if c.Layout == nil {
			edits = append(edits, c.Edit)
		}
	}
	if len(tables) == 0 || len(edits) == len(tables) && quick(tables, edits) == nil {
		return nil
	}
	var err error
	if len(tables) == 1 {
		err = tables[0].run(ctx, transactions[0])
	} else {
		err = runTogether(ctx, tables, transactions)
	}
	if err != nil {
		return fmt.Errorf("change nftables tables %s: %w", strings.Join(names, " and "), err)
	}
	return nil
}

func (c Change) transaction() *knftables.Transaction {
	if c.Layout == nil {
		tx := c.nft.NewTransaction()
		c.Edit.write(tx)
		return tx
	}
	tx := c.deletion()
	c.Layout.write(tx)
	return tx
}

// mostComplaints is how many bytes of nft's complaints an error has: nft has some 150 for each element that it refuses,
// of thousands.
const mostComplaints = 4 << 10

// runTogether has the nft command run the transactions as one: a transaction of knftables is one table's.
func runTogether(ctx context.Context, tables []*Table, transactions []*knftables.Transaction) error {
	return recorded(tables, rulesetGeneration, func() error {
		tables[0].written()
		var input bytes.Buffer
		complaints := excerpt.Writer{Most: mostComplaints}
		for _, tx := range transactions {
			input.WriteString(tx.String())
		}
		nft := exec.CommandContext(ctx, "nft", "-f", "-")
		nft.Stdin, nft.Stderr = &input, &complaints
		if err := nft.Run(); err != nil {
			return explained(ctx, fmt.Errorf("nft: %w: %s", err, complaints.String()))
		}
		return nil
	})
}

// recorded runs one transaction of several tables. generation reads the ruleset's.
func recorded(tables []*Table, generation func() (uint32, error), run func() error) error {
	for _, t := range tables {
		next := run
		run = func() error { return t.own.recordBy(generation, next) }
	}
	return run()
}

// Check reports whether the kernel and the nft command take the layout, and changes nothing.
func (t *Table) Check(ctx context.Context, l Layout) error {
	tx := t.deletion()
	l.write(tx)
	return explained(ctx, t.nft.Check(ctx, tx))
}

// Empty reports whether the change changes nothing.
func (c Change) Empty() bool { return c.Layout == nil && c.Edit.Empty() }
