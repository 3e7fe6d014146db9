package artifact

import (
	"encoding/json"
	"fmt"
	"hash"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// overlay is the file of the flag -overlay in GOFLAGS, which says what go builds in the place of which files. "" has
// none. A test that runs on code that is broken on purpose is built with one, and so must be the programs that it runs.
type overlay string

func theOverlay() overlay {
	for flag := range strings.FieldsSeq(os.Getenv("GOFLAGS")) {
		if file, found := strings.CutPrefix(flag, "-overlay="); found {
			return overlay(file)
		}
	}
	return ""
}

// flags are what to add to GOFLAGS.
func (o overlay) flags() string {
	if o == "" {
		return ""
	}
	return " -overlay=" + string(o)
}

// hash adds to sum what the overlay has in the place of files that an artifact of the module may be built from.
func (o overlay) hash(sum hash.Hash, module string) error {
	if o == "" {
		return nil
	}
	text, err := os.ReadFile(string(o))
	if err != nil {
		return err
	}
	var content struct{ Replace map[string]string }
	if err := json.Unmarshal(text, &content); err != nil {
		return fmt.Errorf("read the overlay %s: %w", o, err)
	}
	for _, original := range slices.Sorted(maps.Keys(content.Replace)) {
		if foreign(original, module) {
			continue
		}
		fmt.Fprintf(sum, "overlay %s\n", original)
		if replacement := content.Replace[original]; replacement != "" { // "": the file is deleted
			if err := hashFile(sum, filepath.Dir(replacement), filepath.Base(replacement)); err != nil {
				return err
			}
		}
	}
	return nil
}

// foreign says that the file is of a module in which this one is nested, as those of the lab's programs are in
// warren's. They are not built from its files: a mutant of warren makes no other etcd.
func foreign(file, module string) bool {
	dir := filepath.Dir(file)
	for dir != filepath.Dir(dir) && !exists(filepath.Join(dir, "go.mod")) {
		dir = filepath.Dir(dir)
	}
	return strings.HasPrefix(module, dir+string(filepath.Separator))
}
