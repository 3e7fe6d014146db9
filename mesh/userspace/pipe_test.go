package userspace

import (
	"bytes"
	"errors"
	"io"
	"testing"
)

func TestFrames(t *testing.T) {
	var b bytes.Buffer
	for _, content := range []string{"", "one", string(make([]byte, 1<<20))} {
		if err := writeFrame(&b, []byte(content)); err != nil {
			t.Fatal(err)
		}
		got, err := readFrame(&b)
		if err != nil || string(got) != content {
			t.Errorf("%d bytes, %v; want %d", len(got), err, len(content))
		}
	}
	if _, err := readFrame(&b); !errors.Is(err, io.EOF) {
		t.Errorf("after the last: %v, want io.EOF", err)
	}
	// A frame of a process that was killed while it wrote it is an error.
	for _, torn := range [][]byte{{0}, {0, 0, 0, 2, 'x'}, {0xff, 0, 0, 0}} {
		if got, err := readFrame(bytes.NewReader(torn)); err == nil || errors.Is(err, io.EOF) {
			t.Errorf("of %x: %q, %v", torn, got, err)
		}
	}
}
