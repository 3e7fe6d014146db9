package bench

import "testing"

func TestPercentile(t *testing.T) {
	for _, test := range []struct {
		p      int
		values []int
		want   int
	}{
		{50, []int{7}, 7},
		{50, []int{3, 1, 2}, 2},
		{50, []int{4, 1, 3, 2}, 2},
		{99, []int{1, 2, 3}, 3},
		{0, []int{2, 1}, 1},
	} {
		if got := percentile(test.p, test.values); got != test.want {
			t.Errorf("percentile %d of %v = %d, want %d", test.p, test.values, got, test.want)
		}
	}
}
