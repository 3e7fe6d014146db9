package nft

import (
	"os"
	"path/filepath"
	"testing"
)

func TestReadsAll(t *testing.T) {
	for said, want := range map[string]string{
		"nftables v1.0.6 (Lester Gooch #5)": "false", "nftables v1.1.1 (Commodore Bullmoose #2)": "false",
		"nftables v1.1.2 (Commodore Bullmoose #3)": "true", "nftables v1.1.10": "true", "nftables v1.2 (x)": "true",
		"nftables v1.1": "false", "nftables v2.0.0": "true",
		"nftables v1.x": "unknown", "nft 1.1.3": "unknown", "": "unknown",
	} {
		dir := t.TempDir()
		script := "#!/bin/sh\necho '" + said + "'\n"
		if err := os.WriteFile(filepath.Join(dir, "nft"), []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
		t.Setenv("PATH", dir)
		got := "unknown"
		switch all, err := ReadsAll(t.Context()); {
		case err == nil && all:
			got = "true"
		case err == nil:
			got = "false"
		}
		if got != want {
			t.Errorf("%q: %s, want %s", said, got, want)
		}
	}
}
