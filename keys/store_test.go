package keys

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const (
	alice       = "dwdtCnMYpX08FsFyUbJmRd9ML4frwJkqsXf7pR25LCo="
	alicePublic = "hSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmo="
)

// newStore is a store in a folder of its own whose clock stands still.
func newStore(t *testing.T) Store {
	t.Helper()
	return Store{
		Path: filepath.Join(t.TempDir(), "warren", "private.key"),
		Now:  func() time.Time { return time.Date(2026, 11, 23, 15, 4, 5, 0, time.FixedZone("", 3600)) },
	}
}

// with puts content into the store's file.
func (s Store) with(t *testing.T, content string, mode os.FileMode) Store {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(s.Path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(s.Path, []byte(content), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(s.Path, mode); err != nil {
		t.Fatal(err)
	}
	return s
}

// files are the names in the store's folder, with what they hold.
func (s Store) files(t *testing.T) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(s.Path))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, e := range entries {
		content, err := os.ReadFile(filepath.Join(filepath.Dir(s.Path), e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		files[e.Name()] = string(content)
	}
	return files
}

func TestStoreMakesKey(t *testing.T) {
	s := newStore(t)
	first, err := s.Load()
	if err != nil {
		t.Fatal(err)
	}
	if !first.Made || first.Key.IsZero() || first.SetAside != "" || first.Reason != nil {
		t.Errorf("Load = %+v, want a new key and nothing set aside", first)
	}
	again, err := s.Load()
	if err != nil {
		t.Fatal(err)
	}
	if again.Made || again.Key.Reveal() != first.Key.Reveal() {
		t.Errorf("second Load = %+v, want the key of the first", again)
	}
	if diff := cmp.Diff(map[string]string{"private.key": first.Key.text() + "\n"}, s.files(t)); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	for path, want := range map[string]os.FileMode{s.Path: 0o600, filepath.Dir(s.Path): 0o700 | os.ModeDir} {
		if info, err := os.Stat(path); err != nil || info.Mode() != want {
			t.Errorf("mode of %s = %v, %v; want %v", path, info.Mode(), err, want)
		}
	}
}

func TestStoreReads(t *testing.T) {
	for name, content := range map[string]string{
		"as wg genkey writes": alice + "\n", "without newline": alice, "edited on another system": alice + "\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			s := newStore(t).with(t, content, 0o600)
			got, err := s.Load()
			if err != nil || got.Made || got.Key.Public().String() != alicePublic {
				t.Errorf("Load = %+v with public key %v, %v; want Alice's", got, got.Key.Public(), err)
			}
			if diff := cmp.Diff(map[string]string{"private.key": content}, s.files(t)); diff != "" {
				t.Errorf("files (-want +got):\n%s", diff)
			}
		})
	}
}

func TestStoreSetsCorruptFileAside(t *testing.T) {
	for name, content := range map[string]string{
		"empty, as after a crash": "", "short": alice[:30], "zero bytes": strings.Repeat("\x00", 45),
		"words":    "hello\n",
		"zero key": strings.Repeat("A", 43) + "=\n", "two keys": alice + "\n" + alice + "\n",
		"huge": strings.Repeat("A", 1<<20),
	} {
		t.Run(name, func(t *testing.T) {
			s := newStore(t).with(t, content, 0o600)
			got, err := s.Load()
			if err != nil {
				t.Fatal(err)
			}
			aside := s.Path + ".corrupt-20261123T140405Z"
			if !got.Made || got.SetAside != aside || !errors.Is(got.Reason, ErrInvalid) {
				t.Errorf("Load = %+v, want a new key and %s set aside", got, aside)
			}
			if len(content) > 20 && content[0] > 0 && strings.Contains(got.Reason.Error(), content[:20]) {
				t.Errorf("reason %v repeats the file", got.Reason)
			}
			want := map[string]string{"private.key": got.Key.text() + "\n", filepath.Base(aside): content}
			if diff := cmp.Diff(want, s.files(t)); diff != "" {
				t.Errorf("files (-want +got):\n%s", diff)
			}
		})
	}
}

func TestStoreNeverOverwritesWhatItSetAside(t *testing.T) {
	s := newStore(t)
	for _, content := range []string{"first", "second", "third"} {
		if _, err := s.with(t, content, 0o600).Load(); err != nil {
			t.Fatal(err)
		}
	}
	got := s.files(t)
	delete(got, "private.key")
	const name = "private.key.corrupt-20261123T140405Z"
	if diff := cmp.Diff(map[string]string{name: "first", name + "-2": "second", name + "-3": "third"},
		got); diff != "" {
		t.Errorf("files set aside (-want +got):\n%s", diff)
	}
}

func TestStoreAfterCrash(t *testing.T) {
	s := newStore(t).with(t, alice, 0o600)
	temporary := Store{Path: s.Path + ".tmp"}
	temporary.with(t, alice[:20], 0o644)
	if got, err := s.Load(); err != nil || got.Made {
		t.Fatalf("Load = %+v, %v; want the key: the temporary file is not its", got, err)
	}
	if err := os.Remove(s.Path); err != nil {
		t.Fatal(err)
	}
	got, err := s.Load()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"private.key": got.Key.text() + "\n"}, s.files(t)); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	if info, err := os.Stat(s.Path); err != nil || info.Mode() != 0o600 {
		t.Errorf("mode = %v, %v; want 0600: the leftover's must not be kept", info.Mode(), err)
	}
}

func TestStoreRefuses(t *testing.T) {
	for _, mode := range []os.FileMode{0o640, 0o604, 0o644, 0o660, 0o666, 0o610} {
		t.Run(mode.String(), func(t *testing.T) {
			s := newStore(t).with(t, alice, mode)
			refused(t, s, "chmod 600 "+s.Path)
		})
	}
	t.Run("corrupt and open", func(t *testing.T) {
		s := newStore(t).with(t, "corrupt", 0o644)
		refused(t, s, "chmod 600 "+s.Path)
	})
	t.Run("directory writable by others", func(t *testing.T) {
		s := newStore(t).with(t, alice, 0o600)
		if err := os.Chmod(filepath.Dir(s.Path), 0o777); err != nil {
			t.Fatal(err)
		}
		refused(t, s, "chmod 700 "+filepath.Dir(s.Path))
	})
	t.Run("directory in its place", func(t *testing.T) {
		s := newStore(t)
		if err := os.MkdirAll(s.Path, 0o700); err != nil {
			t.Fatal(err)
		}
		if got, err := s.Load(); err == nil || !strings.Contains(err.Error(), "not a regular file") {
			t.Errorf("Load = %+v, %v; want it refused", got, err)
		}
	})
	for name, target := range map[string]string{"symbolic link": "real.key", "dangling link": "none"} {
		t.Run(name, func(t *testing.T) {
			s := newStore(t)
			Store{Path: filepath.Join(filepath.Dir(s.Path), "real.key")}.with(t, alice, 0o600)
			if err := os.Symlink(target, s.Path); err != nil {
				t.Fatal(err)
			}
			if got, err := s.Load(); err == nil || !strings.Contains(err.Error(), "not a regular file") {
				t.Errorf("Load = %+v, %v; want it refused", got, err)
			}
		})
	}
}

// refused checks that Load refuses with this remedy and changes nothing.
func refused(t *testing.T, s Store, remedy string) {
	t.Helper()
	before := s.files(t)
	got, err := s.Load()
	if err == nil || !strings.Contains(err.Error(), remedy) {
		t.Errorf("error = %v, want one that says %q", err, remedy)
	}
	if !got.Key.IsZero() {
		t.Error("a key came with the error")
	}
	if diff := cmp.Diff(before, s.files(t)); diff != "" {
		t.Errorf("files (-before +after):\n%s", diff)
	}
}

func TestStoreCannotWrite(t *testing.T) {
	s := newStore(t)
	if err := os.WriteFile(filepath.Dir(s.Path), []byte("a file where the directory should be"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Load(); err == nil || !got.Key.IsZero() {
		t.Errorf("Load = %+v, %v; want an error", got, err)
	}
	s = newStore(t).with(t, "corrupt", 0o600)
	if err := os.MkdirAll(filepath.Join(s.Path+".tmp", "in the way"), 0o700); err != nil {
		t.Fatal(err)
	}
	got, err := s.Load()
	if err == nil || !strings.Contains(err.Error(), "write private key") || got.SetAside == "" ||
		!bytes.Contains([]byte(got.Reason.Error()), []byte("characters")) {
		t.Errorf("Load = %+v, %v; want an error, and what was set aside all the same", got, err)
	}
}

func TestStoreRemove(t *testing.T) {
	s := newStore(t)
	if err := s.Remove(); err != nil {
		t.Errorf("without a directory: %v", err)
	}
	for _, content := range []string{"corrupt", "again"} {
		if _, err := s.with(t, content, 0o600).Load(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Replace(); err != nil {
		t.Fatal(err)
	}
	Store{Path: s.Path + ".tmp"}.with(t, alice[:20], 0o600)
	Store{Path: s.Path + "2"}.with(t, "another's", 0o600)
	for range 2 {
		if err := s.Remove(); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(map[string]string{"private.key2": "another's"}, s.files(t)); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	if err := errors.Join(os.Remove(s.Path+"2"), s.Remove()); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Dir(s.Path)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the directory, empty now, is still there: %v", err)
	}
}
