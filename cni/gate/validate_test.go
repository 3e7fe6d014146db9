package gate

import (
	"strings"
	"testing"
)

func TestIsContainerID(t *testing.T) {
	for id, want := range map[string]bool{
		"": false, "a": true, "Z9": true, "0_.-": true, "a.b": true,
		"_a": false, ".": false, "-a": false, "..": false,
		"a/b": false, "a b": false, "a\nb": false, "a\n": false, "ab/": false, "/a": false, "a\x00": false,
		"a/../b": false, "é": false, "aéb": false,
		strings.Repeat("a", 200): true, strings.Repeat("a", 201): false,
	} {
		if got := isContainerID(id); got != want {
			t.Errorf("%q: %v, want %v", id, got, want)
		}
	}
}
