package cni_test

import (
	"strings"
	"testing"

	"warren.mesh/cni"
)

// What must not outlive a reboot must not be on a disk: here proc stands for one.
func TestRunDirIsOnTmpfs(t *testing.T) {
	for dir, want := range map[string]string{
		"/dev/shm":                      "",
		"/dev/shm/nobody/has/made/this": "",
		"/proc/self":                    "is not on tmpfs",
		"/proc/nobody/has/made/this":    "(--run-dir)",
		"/dev/null/warren":              "not a directory",
	} {
		err := cni.Configuration{RunDir: dir}.CheckRunDir()
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v, want %q", dir, err, want)
		}
	}
}
