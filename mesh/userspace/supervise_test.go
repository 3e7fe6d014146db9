package userspace

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestBackoff(t *testing.T) {
	var b backoff
	var got []time.Duration
	for _, lived := range []time.Duration{time.Hour, 0, 0, 0, 0, 0, 0, 0, 0, 0, soon, 0} {
		got = append(got, b.after(lived)/time.Millisecond)
	}
	want := []time.Duration{0, 10, 20, 40, 80, 160, 320, 640, 1000, 1000, 0, 10}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("milliseconds (-want +got):\n%s", diff)
	}
}
