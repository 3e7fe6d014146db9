package cni

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// extensions are those of configurations (containerd/go-cni v1.1.14, loadFromConfDir; CRI-O's are the same).
var extensions = []string{".conf", ".conflist", ".json"}

// Rival returns the path of the first configuration in ConfDir that sorts before warren's, which the runtime uses
// instead; empty if there is none. delegates reports whether that one refers to warren's network or file, as those of
// meta plugins such as Multus do: pods are attached by warren's configuration all the same.
//
// As for runtimes, the order is that of the bytes of the name, and every file counts but directories, hidden ones and
// dangling links too. One that cannot be read or parsed counts as well: CRI-O skips it, but containerd uses no
// configuration at all then.
func (c Configuration) Rival() (path string, delegates bool, err error) {
	entries, err := os.ReadDir(c.ConfDir) // sorted
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", false, fmt.Errorf("look for other CNI configurations: %w", err)
	}
	for _, e := range entries {
		if e.Name() >= file {
			break
		}
		if e.IsDir() || !slices.Contains(extensions, filepath.Ext(e.Name())) {
			continue
		}
		path = filepath.Join(c.ConfDir, e.Name())
		return path, refersToWarren(path), nil
	}
	return "", false, nil
}

// maxRival is more than a configuration has, in bytes: containerd 2 refuses more than 2 MiB.
const maxRival = 2 << 20

// refersToWarren reports whether the file refers to warren's configuration: by its network's name, as in clusterNetwork
// of Multus or the copy that it has in its delegates, or by its file's name, in whatever directory a plugin in a
// container sees it.
func refersToWarren(path string) bool {
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() || info.Size() > maxRival {
		return false
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return false
	}
	var value any
	return json.Unmarshal(content, &value) == nil && refers(value)
}

// refers reports whether any text in the JSON value is warren's network or names warren's file. Keys do not count.
func refers(value any) bool {
	switch v := value.(type) {
	case string:
		return v == Network || filepath.Base(v) == file
	case []any:
		return slices.ContainsFunc(v, refers)
	case map[string]any:
		for _, member := range v {
			if refers(member) {
				return true
			}
		}
	}
	return false
}
