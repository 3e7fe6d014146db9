package survey

import (
	"io"
	"strings"
	"testing"
)

// However a stream is copied, no more is kept of it than fits, and what a command complains of does not end its answer.
func TestAnswerIsBounded(t *testing.T) {
	for text, want := range map[string]struct{ stdout, stderr string }{
		"1234": {"1234", "1234"}, "12345": {"", "1234"},
	} {
		stdout, stderr := answer{most: 4}, answer{most: 4, cut: true}
		_, err := io.Copy(&stdout, strings.NewReader(text))
		if got := stdout.text.String(); got != want.stdout || (err == nil) != (want.stdout != "") {
			t.Errorf("%s: standard output is %q, %v", text, got, err)
		}
		if _, err := io.Copy(&stderr, io.LimitReader(strings.NewReader(text), 9)); err != nil ||
			stderr.text.String() != want.stderr {
			t.Errorf("%s: standard error is %q, %v", text, stderr.text.String(), err)
		}
	}
}
