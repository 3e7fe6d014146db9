package linux

import (
	"strings"
	"testing"
)

func TestParseMode(t *testing.T) {
	for _, want := range []Mode{Auto, Kernel, Userspace} {
		if got, err := ParseMode(string(want)); got != want || err != nil {
			t.Errorf("%s: %s, %v", want, got, err)
		}
	}
	if _, err := ParseMode("boringtun"); err == nil || !strings.Contains(err.Error(), `"boringtun"`) {
		t.Errorf("another: %v", err)
	}
}
