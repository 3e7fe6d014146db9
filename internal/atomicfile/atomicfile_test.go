package atomicfile

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

// files returns what a directory holds: content, or the target of a symbolic link, behind the mode.
func files(t *testing.T, dir string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, e.Name())
		var content []byte
		if target, err := os.Readlink(path); err == nil {
			content = []byte(target)
		} else if !info.IsDir() {
			content, _ = os.ReadFile(path)
		}
		found[e.Name()] = info.Mode().String() + " " + string(content)
	}
	return found
}

func want(t *testing.T, dir string, want map[string]string) {
	t.Helper()
	if diff := cmp.Diff(want, files(t, dir)); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

// TestWrite writes over what may be there, with the mode that is asked for: neither the umask's nor an older file's.
func TestWrite(t *testing.T) {
	defer syscall.Umask(syscall.Umask(0o077))
	for name, before := range map[string]func(path string) error{
		"nothing": func(string) error { return nil },
		"a file":  func(path string) error { return os.WriteFile(path, []byte("old"), 0o666) },
		"a link":  func(path string) error { return os.Symlink("elsewhere", path) },
		"a leftover": func(path string) error {
			return os.WriteFile(Temporary(path), []byte("ha"), 0o666)
		},
		"a link to fool": func(path string) error {
			return os.Symlink("/proc/self/mem", Temporary(path))
		},
		"an empty directory in the way": func(path string) error { return os.Mkdir(Temporary(path), 0o777) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "file")
			if err := before(path); err != nil {
				t.Fatal(err)
			}
			if err := Write(path, []byte("new"), 0o644); err != nil {
				t.Fatal(err)
			}
			want(t, dir, map[string]string{"file": "-rw-r--r-- new"})
		})
	}
}

// TestWriteIsNeverHalf reads a file again and again while it is replaced.
func TestWriteIsNeverHalf(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	contents := []string{strings.Repeat("a", 1<<16), strings.Repeat("b", 1<<10)}
	write := func(content string) error { return Write(path, []byte(content), 0o600) }
	if err := write(contents[0]); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		var err error
		for i := range 30 {
			err = errors.Join(err, write(contents[i%2]))
		}
		done <- err
	}()
	for {
		select {
		case err := <-done:
			if err != nil {
				t.Error(err)
			}
			return
		default:
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != contents[0] && string(got) != contents[1] {
			t.Errorf("%d bytes that nobody wrote, %v", len(got), err)
		}
	}
}

// TestWriteFails shows that what was there stays, and that nothing is left beside it.
func TestWriteFails(t *testing.T) {
	for name, test := range map[string]struct {
		spoil func(path string) error
		is    error
		want  map[string]string
	}{
		"rename refused": {
			func(path string) error { return os.MkdirAll(filepath.Join(path, "full"), 0o700) },
			fs.ErrExist, map[string]string{"file": "drwx------ "},
		},
		"temporary name taken": {
			func(path string) error {
				return errors.Join(os.WriteFile(path, []byte("old"), 0o600),
					os.MkdirAll(filepath.Join(Temporary(path), "full"), 0o700))
			},
			syscall.ENOTEMPTY, map[string]string{"file": "-rw------- old", "file.tmp": "drwx------ "},
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "file")
			if err := test.spoil(path); err != nil {
				t.Fatal(err)
			}
			if err := Write(path, []byte("new"), 0o600); !errors.Is(err, test.is) {
				t.Errorf("error %v, want %v", err, test.is)
			}
			want(t, dir, test.want)
		})
	}
	t.Run("directory gone", func(t *testing.T) {
		if err := Write(filepath.Join(t.TempDir(), "gone", "file"), nil, 0o600); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("error %v, want %v", err, fs.ErrNotExist)
		}
	})
}

// TestPrepareFails has the content end before its end: half of it may be a secret, and is not to stay.
func TestPrepareFails(t *testing.T) {
	dir, cause := t.TempDir(), errors.New("disk ended")
	path := filepath.Join(dir, "file")
	_, err := Prepare(path, io.MultiReader(strings.NewReader("half"), iotest.ErrReader(cause)), 0o600)
	if !errors.Is(err, cause) {
		t.Errorf("error %v, want %v", err, cause)
	}
	want(t, dir, map[string]string{})
}

func TestPrepare(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	p, err := Prepare(path, strings.NewReader("new"), 0o755)
	if err != nil {
		t.Fatal(err)
	}
	want(t, dir, map[string]string{"file.tmp": "-rwxr-xr-x new"})
	if err := p.Commit(); err != nil {
		t.Fatal(err)
	}
	want(t, dir, map[string]string{"file": "-rwxr-xr-x new"})
}

// TestCommitFails shows that an interrupted replacement can be told by what is left of it.
func TestCommitFails(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "link")
	p, err := PrepareSymlink(path, "target")
	if err := errors.Join(err, os.Mkdir(path, 0o700)); err != nil {
		t.Fatal(err)
	}
	if err := p.Commit(); err == nil {
		t.Error("a link was renamed over a directory")
	}
	want(t, dir, map[string]string{"link": "drwx------ ", "link.tmp": "Lrwxrwxrwx target"})
}

func TestPrepareSymlink(t *testing.T) {
	for name, before := range map[string]func(path string) error{
		"nothing":    func(string) error { return nil },
		"a file":     func(path string) error { return os.WriteFile(path, []byte("old"), 0o600) },
		"a link":     func(path string) error { return os.Symlink("elsewhere", path) },
		"a leftover": func(path string) error { return os.Symlink("elsewhere", Temporary(path)) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "link")
			if err := before(path); err != nil {
				t.Fatal(err)
			}
			p, err := PrepareSymlink(path, "target")
			if err := errors.Join(err, p.Commit()); err != nil {
				t.Fatal(err)
			}
			want(t, dir, map[string]string{"link": "Lrwxrwxrwx target"})
		})
	}
}

func TestLink(t *testing.T) {
	dir := t.TempDir()
	existing, path := filepath.Join(dir, "existing"), filepath.Join(dir, "name")
	for file, content := range map[string]string{existing: "new", path: "old", Temporary(path): "leftover"} {
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := Link(existing, path); err != nil {
		t.Fatal(err)
	}
	want(t, dir, map[string]string{"existing": "-rw------- new", "name": "-rw------- new"})
	if err := Link(filepath.Join(dir, "absent"), path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %v, want %v", err, fs.ErrNotExist)
	}
	// Again: both are one file now, for which rename(2) does nothing.
	if err := Link(existing, path); err != nil {
		t.Fatal(err)
	}
	want(t, dir, map[string]string{"existing": "-rw------- new", "name": "-rw------- new"})
}

func TestRemove(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	for _, file := range []string{path, Temporary(path), filepath.Join(dir, "other")} {
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		if err := Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	want(t, dir, map[string]string{"other": "-rw------- "})
}

// TestSyncDirectory takes a file system that cannot: /proc.
func TestSyncDirectory(t *testing.T) {
	if err := syncDirectory("/proc"); err != nil {
		t.Error(err)
	}
	if err := syncDirectory(filepath.Join(t.TempDir(), "gone")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %v, want %v", err, fs.ErrNotExist)
	}
}
