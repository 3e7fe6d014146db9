package bench

import (
	"cmp"
	"slices"
)

// percentile is the value that p percent of the values do not exceed, by the nearest rank; it panics without values.
func percentile[T cmp.Ordered](p int, values []T) T {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[max(0, (len(sorted)*p+99)/100-1)]
}

func median[T cmp.Ordered](values []T) T { return percentile(50, values) }
