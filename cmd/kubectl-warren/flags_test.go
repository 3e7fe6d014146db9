package main

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"
)

var (
	// documented is a command of the plugin, with what follows on its line or up to a backquote.
	documented = regexp.MustCompile("kubectl warren ([a-z]+)([^`\n]*)")
	flagName   = regexp.MustCompile(`\s--?([a-z][a-z-]*)`)
)

// Each command of the plugin that README and docs name exists, with the flags that they name.
func TestDocumentedCommands(t *testing.T) {
	paths, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, path := range append(paths, "../../README.md") {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range documented.FindAllStringSubmatch(string(text), -1) {
			found++
			cmd, _, err := newRoot(new(int)).Find([]string{match[1]})
			if err != nil {
				t.Errorf("%s: %s: %v", path, match[0], err)
				continue
			}
			for _, flag := range flagName.FindAllStringSubmatch(match[2], -1) {
				name := flag[1]
				if len(name) > 1 && cmd.Flags().Lookup(name) == nil ||
					len(name) == 1 && cmd.Flags().ShorthandLookup(name) == nil {
					t.Errorf("%s: %q: kubectl warren %s has no flag %s", path, match[0], match[1], name)
				}
			}
		}
	}
	if found < 10 {
		t.Errorf("%d commands are found: the documents are written in another way", found)
	}
}
