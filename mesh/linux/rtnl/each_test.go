package rtnl

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestEach(t *testing.T) {
	numbers := []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}
	if err := Each(numbers, func(int) error { return nil }); err != nil {
		t.Errorf("no failure: %v", err)
	}
	cause := errors.New("cause")
	var done []int
	err := Each(numbers, func(i int) error {
		done = append(done, i)
		return fmt.Errorf("route %d: %w", i, cause)
	})
	text := fmt.Sprint(err)
	if !errors.Is(err, cause) || strings.Count(text, "\n") != maxErrors ||
		!strings.HasSuffix(text, "and 6 failures more of this kind") {
		t.Errorf("ten failures read\n%s", text)
	}
	if len(done) != len(numbers) {
		t.Errorf("done %v, want all", done)
	}
}
