package cni_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// entry is what a test sees of a file. A changed Written or Mode is a write.
type entry struct {
	Mode    fs.FileMode
	Written time.Time
	Content string
}

// tree reads everything below the directories; absent ones are empty.
func tree(t testing.TB, dirs ...string) map[string]entry {
	t.Helper()
	files := map[string]entry{}
	for _, dir := range dirs {
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			e, err := read(path, d)
			files[path] = e
			return err
		})
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
	}
	return files
}

func read(path string, d fs.DirEntry) (entry, error) {
	info, err := d.Info()
	if err != nil {
		return entry{}, err
	}
	if d.Type() == fs.ModeSymlink {
		target, err := os.Readlink(path)
		return entry{info.Mode(), info.ModTime(), target}, err
	}
	content, err := os.ReadFile(path)
	return entry{info.Mode(), info.ModTime(), string(content)}, err
}

// names is a tree without times of writing.
func names(tree map[string]entry) map[string]entry {
	timeless := map[string]entry{}
	for path, e := range tree {
		e.Written = time.Time{}
		timeless[path] = e
	}
	return timeless
}

func write(t testing.TB, files map[string]string) {
	t.Helper()
	for path, content := range files {
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755),
			os.WriteFile(path, []byte(content), 0o755)); err != nil {
			t.Fatal(err)
		}
	}
}
