package emulation

import (
	"runtime"
	"strings"
	"testing"
)

// A program for arm64 begins as the kernel is told.
func TestFormat(t *testing.T) {
	want := `:warren:M::\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00:` +
		`\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff:/usr/bin/x:F`
	if got := machines["arm64"].format("/usr/bin/x"); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// A program of this machine's needs no emulator.
func TestOwnArchitecture(t *testing.T) {
	c, err := Command(t.Context(), runtime.GOARCH, "true", "x")
	if err != nil || len(c.Args) != 2 || c.SysProcAttr != nil {
		t.Errorf("%v, %v", c, err)
	}
}

func TestUnknownArchitecture(t *testing.T) {
	if _, err := Command(t.Context(), "mips", "true"); err == nil || !strings.Contains(err.Error(), "emulate mips") {
		t.Errorf("error %v", err)
	}
}
