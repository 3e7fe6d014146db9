package nft

import "sync"

// ownWrites tells a table's own changes from others'. The kernel counts generations of the ruleset, one for each
// transaction that changed anything, and its notifications say which one they belong to; nft, which makes the
// transactions, does not say which was its own. So the generation is read before and after, and one change of the table
// in between is taken for the own one: of two, one is somebody else's.
//
// Counting transactions alone would not do: nobody hears of one that changes nothing, and it would hide another's.
type ownWrites struct {
	// generation reads the ruleset's generation.
	generation func() (uint32, error)

	// mu is held while a transaction runs, so that its notifications are judged only when its span is known.
	mu       sync.Mutex
	watchers int
	spans    []span
}

// span holds the generations after the first, up to and including the last.
type span struct{ first, last uint32 }

// contains goes by distance, because the counter wraps around.
func (s span) contains(generation uint32) bool { return generation-s.first-1 < s.last-s.first }

// record runs a transaction. While nobody watches it costs nothing more. Where a generation cannot be read, the own
// change looks like another's, which costs one look at the table.
func (o *ownWrites) record(run func() error) error { return o.recordBy(o.generation, run) }

// recordBy is record with another way to read the ruleset's generation.
func (o *ownWrites) recordBy(generation func() (uint32, error), run func() error) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.watchers == 0 {
		return run()
	}
	first, errFirst := generation()
	if err := run(); err != nil {
		return err
	}
	last, errLast := generation()
	if errFirst == nil && errLast == nil && first != last {
		o.spans = append(o.spans, span{first, last})
	}
	return nil
}

// take reports whether a change of the table in this generation was an own one, and forgets that one.
func (o *ownWrites) take(generation uint32) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	for i, s := range o.spans {
		if s.contains(generation) {
			o.spans = o.spans[i+1:]
			return true
		}
	}
	return false
}

// watch turns the recording on until done is called. It comes before the subscription: the watcher would hear of an own
// change that was not recorded, otherwise.
func (o *ownWrites) watch() (done func()) {
	o.add(1)
	return func() { o.add(-1) }
}

func (o *ownWrites) add(n int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.watchers += n
	if o.watchers == 0 {
		o.spans = nil
	}
}
