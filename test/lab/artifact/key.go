package artifact

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// key is a digest of all that the artifact is built from: its module's own files (those it depends on are pinned by
// go.sum), what an overlay has in their place, the flags, Go's version and the platform.
func (a Artifact) key(ctx context.Context) (string, error) {
	version, err := command(ctx, a.Module, "env", "GOVERSION", "GOOS", "GOARCH").Output()
	if err != nil {
		return "", fmt.Errorf("ask go for its version: %w", err)
	}
	sum := sha256.New()
	fmt.Fprintf(sum, "%s %q\n", version, a.Args)
	if a.Test {
		fmt.Fprintln(sum, "test")
	}
	if err := theOverlay().hash(sum, a.Module); err != nil {
		return "", err
	}
	files, err := Sources(a.Module)
	if err != nil {
		return "", err
	}
	return digest(sum, a.Module, files)
}

// keyLength is that of a digest's text.
const keyLength = 16

// digest adds the files to sum and returns its text.
func digest(sum hash.Hash, dir string, files []string) (string, error) {
	for _, file := range files {
		if err := hashFile(sum, dir, file); err != nil {
			return "", err
		}
	}
	return hex.EncodeToString(sum.Sum(nil)[:keyLength/2]), nil
}

// Sources are the module's go.mod, go.sum and Go files, but tests and nested modules, relative and sorted.
func Sources(module string) ([]string, error) {
	var files []string
	err := filepath.WalkDir(module, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != module && exists(filepath.Join(path, "go.mod")):
			return filepath.SkipDir
		case d.IsDir() || !source(d.Name()):
			return nil
		}
		relative, err := filepath.Rel(module, path)
		files = append(files, relative)
		return err
	})
	slices.Sort(files)
	return files, err
}

func source(name string) bool {
	return name == "go.mod" || name == "go.sum" || filepath.Ext(name) == ".go" && !strings.HasSuffix(name, "_test.go")
}

func hashFile(sum hash.Hash, module, file string) error {
	f, err := os.Open(filepath.Join(module, file))
	if err != nil {
		return err
	}
	defer f.Close()
	one := sha256.New()
	if _, err := io.Copy(one, f); err != nil {
		return err
	}
	_, err = fmt.Fprintf(sum, "%x %s\n", one.Sum(nil), file)
	return err
}
