package iface

import (
	"io/fs"
	"testing"
	"testing/fstest"
)

func file(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }

func symlink(target string) *fstest.MapFile {
	return &fstest.MapFile{Data: []byte(target), Mode: fs.ModeSymlink}
}

func TestHolder(t *testing.T) {
	const here, elsewhere = "net:[1]", "net:[2]"
	proc := fstest.MapFS{
		"thread-self/ns/net": symlink(here),
		"7/comm":             file("pipe\n"),
		"7/ns/net":           symlink(here),
		"7/fdinfo/3":         file("pos:\t0\nflags:\t02\n"),
		"8/comm":             file("vpn\n"),
		"8/ns/net":           symlink(here),
		"8/fdinfo/3":         file("pos:\t0\niff:\ttun9\n"),
		"9/comm":             file("other-node\n"),
		"9/ns/net":           symlink(elsewhere),
		"9/fdinfo/4":         file("iff:\twarren0\n"),
		"10/comm":            file("warren\n"),
		"10/ns/net":          symlink(here),
		"10/fdinfo/11":       file("pos:\t0\nflags:\t0104002\niff:\twarren0\n"),
		"10/fdinfo/12":       file("pos:\t0\n"),
	}
	for name, want := range map[string]string{
		"warren0": "PID 10, warren",
		"tun9":    "PID 8, vpn",
		"tun":     "PID not found",
	} {
		if got := holder(proc, name); got != want {
			t.Errorf("holder of %s = %q, want %q", name, got, want)
		}
	}
	if got := holder(fstest.MapFS{}, "warren0"); got != "PID not found" {
		t.Errorf("without /proc: %q", got)
	}
}
