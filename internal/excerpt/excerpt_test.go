package excerpt

import (
	"strings"
	"testing"
)

func TestExcerpts(t *testing.T) {
	for text, want := range map[string]string{
		"":                        "",
		"abcd":                    "abcd",
		"abcde":                   "abcd… (5 bytes)",
		"abcé":                    "abc… (5 bytes)",
		strings.Repeat("x", 1000): "xxxx… (1000 bytes)",
	} {
		if got := Of(text, 4); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
	w := Writer{Most: 4}
	for range 3 {
		if n, err := w.Write([]byte("abc")); n != 3 || err != nil {
			t.Errorf("%d, %v", n, err)
		}
	}
	if w.String() != "abca… (9 bytes)" {
		t.Errorf("%q", w.String())
	}
}
