// Package debian13 has programs of Debian 13 for tests on a host of another release, with the libraries that they need.
package debian13

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"warren.mesh/test/lab/artifact"
)

const source = `deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian trixie main
`

// packages are nft and all that it is linked with.
var packages = []string{
	"nftables", "libnftables1", "libnftnl11", "libmnl0", "libc6", "libjansson4", "libedit2", "libgmp10", "libtinfo6",
	"libbsd0", "libmd0", "libxtables12",
}

// script runs nft with its own libraries, whatever the host has.
const script = `#!/bin/sh
for lib in "${0%/*}"/root/usr/lib/*-linux-gnu*; do
	exec "$lib"/ld-linux-*.so.? --library-path "$lib" "${0%/*}/root/usr/sbin/nft" "$@"
done
`

// NFT returns a directory with the command nft of Debian 13, 1.1, and no other command. The cache has it from the
// second time on.
func NFT(ctx context.Context, cache artifact.Cache) (dir string, err error) {
	dir, err = cache.GetMade(ctx, artifact.Made{
		Name: "debian-13-nft", Inputs: append([]string{source, script}, packages...),
		Cost: "nft of Debian 13, 15 MB to download", Make: fetch,
	})
	if err != nil {
		return "", fmt.Errorf("get nft of Debian 13: %w", err)
	}
	return dir, nil
}

// NFTFor is NFT for a test, with the default cache.
func NFTFor(t testing.TB) (dir string) {
	t.Helper()
	cache, err := artifact.DefaultDir()
	if err != nil {
		t.Fatal(err)
	}
	if dir, err = NFT(t.Context(), artifact.Cache{Dir: cache, Progress: t.Logf}); err != nil {
		t.Fatal(err)
	}
	return dir
}

// fetch downloads the packages with lists of their own, and unpacks them into dir.
func fetch(ctx context.Context, dir string) error {
	work, err := os.MkdirTemp(filepath.Dir(dir), "unpack-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	for _, d := range []string{filepath.Join(work, "lists", "partial"), filepath.Join(work, "archives"), dir} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return err
		}
	}
	list := filepath.Join(work, "sources.list")
	if err := os.WriteFile(list, []byte(source), 0o644); err != nil {
		return err
	}
	apt := []string{
		"apt-get", "-qq", "-o", "Acquire::Retries=3", "-o", "Acquire::Languages=none", "-o", "APT::Sandbox::User=root",
		"-o", "Dir::Etc::sourcelist=" + list, "-o", "Dir::Etc::sourceparts=-", "-o", "Dir::State::status=/dev/null",
		"-o", "Dir::State::lists=" + filepath.Join(work, "lists"),
		"-o", "Dir::Cache=" + filepath.Join(work, "archives"),
	}
	if err := run(ctx, work, append(apt, "update")...); err != nil {
		return err
	}
	if err := run(ctx, work, append(append(apt, "download"), packages...)...); err != nil {
		return err
	}
	files, err := filepath.Glob(filepath.Join(work, "*.deb"))
	if err != nil || len(files) != len(packages) {
		return fmt.Errorf("apt-get downloaded %q, want %d packages (%v)", files, len(packages), err)
	}
	for _, file := range files {
		if err := run(ctx, work, "dpkg", "-x", file, filepath.Join(dir, "root")); err != nil {
			return err
		}
	}
	return os.WriteFile(filepath.Join(dir, "nft"), []byte(script), 0o755)
}

// run runs a command in dir; its error has what the command said.
func run(ctx context.Context, dir string, args ...string) error {
	c := exec.CommandContext(ctx, args[0], args[1:]...)
	c.Dir = dir
	if said, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", strings.Join(args, " "), err, bytes.TrimSpace(said))
	}
	return nil
}
