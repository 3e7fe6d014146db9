package release_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// repository makes a repository of one commit, which has only the script that makes releases.
func repository(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	script := filepath.Join(dir, "tools", "release", "release")
	if err := os.MkdirAll(filepath.Dir(script), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(script, []byte(read(t, root, "tools/release/release")), 0o700); err != nil {
		t.Fatal(err)
	}
	run(t, dir, nil, "git", "init", "--quiet")
	run(t, dir, nil, "git", "add", ".")
	run(t, dir, nil, "git", "-c", "user.name=x", "-c", "user.email=x@example.com", "commit", "--quiet", "--message=x")
	return dir
}

// try runs the repository's script for a version. It returns the exit status and what was said.
func try(t *testing.T, dir, version string) (status int, said string) {
	t.Helper()
	script := filepath.Join(dir, "tools", "release", "release")
	out, err := exec.CommandContext(t.Context(), script, version).CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	if exit == nil {
		return 0, string(out)
	}
	return exit.ExitCode(), string(out)
}

// A release has a semantic version with a v, and no build metadata.
func TestVersions(t *testing.T) {
	dir := repository(t)
	for _, version := range []string{
		"", "1.4.0", "v1.4", "v1.4.0.1", "v01.4.0", "v1.4.0-", "v1.4.0-01", "v1.4.0-rc..1", "v1.4.0+build", "latest",
		"v1.4.0 x",
	} {
		if status, said := try(t, dir, version); status != 2 || !strings.Contains(said, "VERSION="+version+": want") {
			t.Errorf("%q: %d, %s", version, status, said)
		}
	}
	// These go on, and are refused for what the repository lacks.
	for _, version := range []string{"v1.4.0", "v1.4.0-rc.1", "v10.0.0-0a.b-c"} {
		if status, said := try(t, dir, version); status == 2 || strings.Contains(said, "want") {
			t.Errorf("%q: %d, %s", version, status, said)
		}
	}
}

// A release is of a commit: with a file that is in none it would not be made again.
func TestDirtyTree(t *testing.T) {
	dir := repository(t)
	if err := os.WriteFile(filepath.Join(dir, "new.go"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	status, said := try(t, dir, "v1.4.0")
	if status != 2 || !strings.Contains(said, "not the commit") || !strings.Contains(said, "new.go") {
		t.Errorf("%d, %s", status, said)
	}
}
