package traffic

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestCounter(t *testing.T) {
	begin := time.Unix(1000, 0)
	type arrival struct {
		seq uint64
		ms  int
	}
	type outcome struct {
		Received, Duplicated int
		Gap                  time.Duration
	}
	for name, test := range map[string]struct {
		first    uint64
		arrivals []arrival
		want     outcome
	}{
		"none": {want: outcome{}},
		"in order": {arrivals: []arrival{{0, 0}, {1, 5}, {2, 11}},
			want: outcome{3, 0, 6 * time.Millisecond}},
		"out of order": {arrivals: []arrival{{2, 0}, {0, 5}, {1, 10}},
			want: outcome{3, 0, 5 * time.Millisecond}},
		"twice": {arrivals: []arrival{{7, 0}, {7, 1}, {7, 2}},
			want: outcome{1, 2, time.Millisecond}},
		"far apart": {arrivals: []arrival{{0, 0}, {63, 1}, {64, 2}, {1000, 3}},
			want: outcome{4, 0, time.Millisecond}},
		"what came before counts not": {first: 10, arrivals: []arrival{{9, 0}, {10, 50}}, want: outcome{1, 0, 0}},
		"late packets are no arrivals": {first: 10, arrivals: []arrival{{10, 0}, {3, 5}, {11, 9}},
			want: outcome{2, 0, 9 * time.Millisecond}},
	} {
		t.Run(name, func(t *testing.T) {
			c := counter{first: test.first}
			for _, a := range test.arrivals {
				c.add(a.seq, begin.Add(time.Duration(a.ms)*time.Millisecond))
			}
			if diff := cmp.Diff(test.want, outcome{c.received, c.duplicated, c.gap}); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestPacerDoesNotCatchUp(t *testing.T) {
	const interval = 5 * time.Millisecond
	due := time.Unix(1000, 0)
	for late, want := range map[time.Duration]time.Duration{
		0:                     interval,
		2 * time.Millisecond:  interval,
		14 * time.Millisecond: interval,
		// Three packets late: two are never sent.
		16 * time.Millisecond: 16 * time.Millisecond,
		time.Second:           time.Second,
	} {
		if got := after(due, due.Add(late), interval).Sub(due); got != want {
			t.Errorf("%v late: the next is due after %v, want %v", late, got, want)
		}
	}
}
