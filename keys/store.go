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

// DefaultPath is the path of a node's private key.
const DefaultPath = "/var/lib/warren/private.key"

// corrupt and cloned follow the key file's name, and precede a time, in the names of files that Load and Replace set
// aside.
const (
	corrupt = ".corrupt-"
	cloned  = ".cloned-"
)

// maxFile is a size in bytes that no key file has.
const maxFile = 1024

// Store is the file that holds a private key: base64 and a newline, as `wg genkey` writes it. Only one process at a
// time may use it.
type Store struct {
	// Path is the path of the file; see DefaultPath.
	Path string
	// Now returns the time for the new name of a file that is set aside; nil is time.Now.
	Now func() time.Time
}

// Loaded is the result of Store.Load and Store.Replace.
type Loaded struct {
	// Key is zero only beside an error.
	Key Private
	// Made says that the key is new: no peer knows it yet.
	Made bool
	// SetAside is the new path of a file that was replaced; empty if there was none. The caller should log it.
	SetAside string
	// Reason says what was wrong with the file that Load set aside: it wraps ErrInvalid and repeats none of the
	// content. It is nil if there was none, and after Replace.
	Reason error
}

// Load reads the key. If there is no file, it generates a key and writes it. It sets a file that holds no key aside and
// never overwrites it, because somebody may know what it was.
//
// Load refuses a file that other users own or may read, one in a directory where they may replace it, and anything but
// a regular file. The error names the remedy. Others may know the key by then, so the operator must decide.
func (s Store) Load() (Loaded, error) {
	key, err := s.read()
	switch {
	case err == nil:
		return Loaded{Key: key}, nil
	case errors.Is(err, fs.ErrNotExist):
		return s.create()
	case errors.Is(err, ErrInvalid):
		loaded, replaceErr := s.replace(corrupt)
		loaded.Reason = err
		return loaded, replaceErr
	default:
		return Loaded{}, fmt.Errorf("load private key: %w", err)
	}
}

// Replace sets the key aside, which another node has too, and makes a new one. The file set aside holds a key that is
// in use elsewhere; it keeps its mode, 0600. If there is no file, there is only a new key: a crash, or a failure,
// between the two steps leaves none, and the next Load or Replace makes one.
func (s Store) Replace() (Loaded, error) { return s.replace(cloned) }

// replace sets the file, if there is one, aside with that kind of name, and makes a new key.
func (s Store) replace(kind string) (Loaded, error) {
	aside, err := s.setAside(kind)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return Loaded{}, fmt.Errorf("set aside the private key: %w", err)
	}
	loaded, err := s.create()
	loaded.SetAside = aside
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
		const format = "directory %s is writable by others (mode %#o), who may replace the key: chmod 700 %s"
		return fmt.Errorf(format, dir, info.Mode().Perm(), dir)
	} else if err := checkOwner(dir, info); err != nil {
		return err
	}
	// Lstat, because the permissions of this directory do not protect the target of a link.
	info, err := os.Lstat(s.Path)
	switch {
	case err != nil:
		return err
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s is not a regular file (%v): move it away", s.Path, info.Mode())
	case info.Mode().Perm()&0o077 != 0:
		const format = "%s is open to others (mode %#o): chmod 600 %s, or, if they may know the key, remove " +
			"it to get a new one"
		return fmt.Errorf(format, s.Path, info.Mode().Perm(), s.Path)
	}
	return checkOwner(s.Path, info)
}

// setAside renames the file to a name of this kind that no other file has, and returns it. The name is empty beside an
// error, which wraps fs.ErrNotExist if there is no file.
func (s Store) setAside(kind string) (string, error) {
	now := s.Now
	if now == nil {
		now = time.Now
	}
	stamped := s.Path + kind + now().UTC().Format("20060102T150405Z")
	aside := stamped
	for n := 2; ; n++ {
		if _, err := os.Lstat(aside); err != nil {
			break
		}
		aside = fmt.Sprintf("%s-%d", stamped, n)
	}
	if err := os.Rename(s.Path, aside); err != nil {
		return "", err
	}
	return aside, nil
}

// write creates the directory if it is missing, and replaces the file in one step, even if the machine crashes.
func (s Store) write(key Private) error {
	if err := os.MkdirAll(filepath.Dir(s.Path), 0o700); err != nil {
		return err
	}
	return atomicfile.Write(s.Path, []byte(key.text()+"\n"), 0o600)
}

// Remove deletes the key, the files that Load and Replace set aside, and the directory if it is empty then. Removing
// what is absent succeeds.
func (s Store) Remove() error {
	dir, name := filepath.Dir(s.Path), filepath.Base(s.Path)
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	errs := []error{err, atomicfile.Remove(s.Path)}
	for _, entry := range entries {
		if strings.HasPrefix(entry.Name(), name+corrupt) || strings.HasPrefix(entry.Name(), name+cloned) {
			errs = append(errs, os.Remove(filepath.Join(dir, entry.Name())))
		}
	}
	_ = os.Remove(dir) // It fails where the directory holds something else, which stays.
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("remove the private key: %w", err)
	}
	return nil
}
