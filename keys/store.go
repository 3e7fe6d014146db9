package keys

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"warren.mesh/internal/atomicfile"
)

// DefaultPath is where a node keeps its private key.
const DefaultPath = "/var/lib/warren/private.key"

// corrupt follows the key file's name, and precedes a time, in the name of a file that Load set aside.
const corrupt = ".corrupt-"

// maxFile is more than any key file holds, in bytes.
const maxFile = 1024

// Store is the file that keeps a private key: base64 and a newline, as `wg genkey` writes it. One process at a time uses
// it.
type Store struct {
	// Path is the file's; see DefaultPath.
	Path string
	// Now names the file that a corrupt one is set aside as; nil is time.Now.
	Now func() time.Time
}

// Loaded is what Store.Load found or made.
type Loaded struct {
	// Key is zero only beside an error.
	Key Private
	// Made reports whether the key is new: peers have yet to learn it.
	Made bool
	// SetAside is where the corrupt file that was in the way is now, and Reason what was wrong with it (it wraps
	// ErrInvalid and holds none of its content); empty and nil where there was none. To be logged.
	SetAside string
	Reason   error
}

// Load reads the key, or makes and writes one where there is none. A file that holds no key is set aside, never
// overwritten: somebody may know what it was.
//
// A file that others may read, and a directory in which they may replace it, is refused with the remedy in the error,
// and so is anything but a regular file: the key may be known by now, so it is the operator's to decide.
func (s Store) Load() (Loaded, error) {
	key, err := s.read()
	switch {
	case err == nil:
		return Loaded{Key: key}, nil
	case errors.Is(err, fs.ErrNotExist):
		return s.create()
	case errors.Is(err, ErrInvalid):
		return s.replace(err)
	default:
		return Loaded{}, fmt.Errorf("load private key: %w", err)
	}
}

// replace makes a new key in place of a file that holds none, for reason.
func (s Store) replace(reason error) (Loaded, error) {
	aside, err := s.setAside()
	if err != nil {
		return Loaded{}, fmt.Errorf("set aside the corrupt private key: %w", err)
	}
	loaded, err := s.create()
	loaded.SetAside, loaded.Reason = aside, reason
	return loaded, err
}

func (s Store) create() (Loaded, error) {
	key, err := Generate()
	if err != nil {
		return Loaded{}, err
	}
	if err := s.write(key); err != nil {
		return Loaded{}, fmt.Errorf("write private key: %w", err)
	}
	return Loaded{Key: key, Made: true}, nil
}

// read returns an error that wraps fs.ErrNotExist, ErrInvalid, or neither.
func (s Store) read() (Private, error) {
	if err := s.checkPermissions(); err != nil {
		return Private{}, err
	}
	f, err := os.Open(s.Path)
	if err != nil {
		return Private{}, err
	}
	defer f.Close()
	content, err := io.ReadAll(io.LimitReader(f, maxFile))
	if err != nil {
		return Private{}, err
	}
	return ParsePrivate(strings.TrimSpace(string(content)))
}

func (s Store) checkPermissions() error {
	dir := filepath.Dir(s.Path)
	if info, err := os.Stat(dir); err != nil {
		return err
	} else if info.Mode().Perm()&0o022 != 0 {
		return fmt.Errorf("directory %s is writable by others (mode %#o), who may replace the key: chmod 700 %s", dir, info.Mode().Perm(), dir)
	}
	// Lstat: where a link points to, the directory's permissions say nothing.
	info, err := os.Lstat(s.Path)
	switch {
	case err != nil:
		return err
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s is not a regular file (%v): move it away", s.Path, info.Mode())
	case info.Mode().Perm()&0o077 != 0:
		return fmt.Errorf("%s is open to others (mode %#o): chmod 600 %s, or remove it to have a new key if it may be known", s.Path, info.Mode().Perm(), s.Path)
	}
	return nil
}

// setAside renames the file to one that does not exist yet.
func (s Store) setAside() (string, error) {
	now := s.Now
	if now == nil {
		now = time.Now
	}
	stamped := s.Path + corrupt + now().UTC().Format("20060102T150405Z")
	aside := stamped
	for n := 2; ; n++ {
		if _, err := os.Lstat(aside); err != nil {
			return aside, os.Rename(s.Path, aside)
		}
		aside = fmt.Sprintf("%s-%d", stamped, n)
	}
}

// write makes the directory where it is missing, and the file in one step, also when the machine crashes.
func (s Store) write(key Private) error {
	if err := os.MkdirAll(filepath.Dir(s.Path), 0o700); err != nil {
		return err
	}
	return atomicfile.Write(s.Path, []byte(key.text()+"\n"), 0o600)
}

// Remove deletes the key, the corrupt files that Load set aside, and the directory if nothing else is in it. Removing
// what is absent succeeds.
func (s Store) Remove() error {
	dir, name := filepath.Dir(s.Path), filepath.Base(s.Path)
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	errs := []error{err, atomicfile.Remove(s.Path)}
	for _, entry := range entries {
		if strings.HasPrefix(entry.Name(), name+corrupt) {
			errs = append(errs, os.Remove(filepath.Join(dir, entry.Name())))
		}
	}
	_ = os.Remove(dir) // It fails where the directory holds something else, which stays.
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("remove the private key: %w", err)
	}
	return nil
}
