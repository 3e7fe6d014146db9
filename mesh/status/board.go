package status

import "sync"

// Board holds the current Snapshot. Workers change it while others read it. Make one with NewBoard.
type Board struct {
	changed func(before, after Snapshot)

	mu  sync.Mutex
	now Snapshot
}

// NewBoard returns a Board with a first Snapshot. It calls changed after each Update, in the order of the updates and
// one at a time; changed must not call the Board.
func NewBoard(first Snapshot, changed func(before, after Snapshot)) *Board {
	return &Board{changed: changed, now: first}
}

// Update replaces the Snapshot by what edit makes of it, and returns the new one.
func (b *Board) Update(edit func(Snapshot) Snapshot) Snapshot {
	b.mu.Lock()
	defer b.mu.Unlock()
	before := b.now
	b.now = edit(before)
	b.changed(before, b.now)
	return b.now
}

// Snapshot returns the current Snapshot.
func (b *Board) Snapshot() Snapshot {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.now
}
