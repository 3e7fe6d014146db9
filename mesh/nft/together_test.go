package nft

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Of what the command complains of, 2 MiB here, an error has the beginning.
func TestLongComplaintsAreCut(t *testing.T) {
	fakeNFT(t, `yes "Error: Could not process rule: No such file or directory" | head -c 2097152 >&2; exit 1`)
	var changes []Change
	for _, id := range []ID{guardID, {Family: "bridge", Name: "warren"}} {
		table, err := Open(id, func() {})
		if err != nil {
			t.Fatal(err)
		}
		changes = append(changes, Change{Table: table, Layout: &Layout{ID: id}})
	}
	err := Together(t.Context(), changes...)
	if err == nil {
		t.Fatal("no error")
	}
	if text := err.Error(); !strings.Contains(text, "exit status 1: Error: Could not") || len(text) > 5<<10 {
		t.Errorf("an error of %d bytes: %.200s", len(text), text)
	}
}

// fakeNFT puts a command in the place of nft. It tells its version and finds nothing wrong with a table; asked to write
// or to list, it does what otherwise says in the words of a shell.
func fakeNFT(t *testing.T, otherwise string) {
	t.Helper()
	dir := t.TempDir()
	script := `#!/bin/sh
case "$*" in
*--version*) echo "nftables v1.0.6 (Lester Gooch #5)" ;;
*--check*) ;;
*) ` + otherwise + ` ;;
esac
`
	if err := os.WriteFile(filepath.Join(dir, "nft"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
}
