package traffic

import "time"

// counter tells numbered packets apart. Its zero value counts from packet 0.
type counter struct {
	// first is the number of the first packet that counts.
	first                uint64
	received, duplicated int
	// seen has one bit for each number from first.
	seen []uint64
	// last is when the last one arrived, gap the longest time between two.
	last time.Time
	gap  time.Duration
}

func (c *counter) add(seq uint64, at time.Time) {
	if seq < c.first {
		return
	}
	if !c.last.IsZero() {
		c.gap = max(c.gap, at.Sub(c.last))
	}
	c.last = at
	word, bit := int((seq-c.first)/64), uint64(1)<<((seq-c.first)%64)
	for len(c.seen) <= word {
		c.seen = append(c.seen, 0)
	}
	if c.seen[word]&bit != 0 {
		c.duplicated++
		return
	}
	c.seen[word] |= bit
	c.received++
}

// missing are the first few numbers below next that have not arrived, counted from first.
func (c *counter) missing(next uint64, most int) (numbers []uint64) {
	for n := range next - c.first {
		word, bit := int(n/64), uint64(1)<<(n%64)
		if word >= len(c.seen) || c.seen[word]&bit == 0 {
			numbers = append(numbers, n)
		}
		if len(numbers) == most {
			break
		}
	}
	return numbers
}
