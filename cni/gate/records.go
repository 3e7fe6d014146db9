package gate

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"warren.mesh/internal/atomicfile"
)

// Records are the attachments that the daemon knows, a file for each, so that it knows them again after a restart
// without the API server. They are on tmpfs and so do not outlive a reboot, because the pods do not.
//
// Beside them are tombstones, empty files of the plugin that say which attachments ended while the daemon did not run.
type Records struct {
	// Dir is the directory. Put and Bury make it.
	Dir string
}

// RecordsIn returns the records in the run directory (/run/warren).
func RecordsIn(runDir string) Records { return Records{Dir: filepath.Join(runDir, "pods")} }

// Key names an attachment.
type Key struct{ Container, Interface string }

// Key returns the attachment's.
func (a Attachment) Key() Key { return Key{a.Container, a.Interface} }

// compare orders keys by their text.
func (k Key) compare(other Key) int { return strings.Compare(k.name(), other.name()) }

// name is a file's: no container's ID contains an @.
func (k Key) name() string { return k.Container + "@" + k.Interface }

const (
	recordSuffix    = ".json"
	tombstoneSuffix = ".gone"
)

// Put writes the attachment's record, in place of an older one. Only the daemon may call it, once at a time for an
// attachment.
func (r Records) Put(a Attachment) error {
	err := a.Validate()
	if err == nil {
		err = os.MkdirAll(r.Dir, 0o700)
	}
	if err == nil {
		var content []byte
		content, err = json.Marshal(a)
		err = errors.Join(err, atomicfile.Write(r.path(a.Key(), recordSuffix), append(content, '\n'), 0o600))
	}
	if err != nil {
		return fmt.Errorf("record the attachment of pod %s/%s: %w", a.Namespace, a.Name, err)
	}
	return nil
}

// Delete deletes an attachment's record. An absent one is fine.
func (r Records) Delete(container, ifname string) error {
	err := validateKey(container, ifname)
	if err == nil {
		err = atomicfile.Remove(r.path(Key{container, ifname}, recordSuffix))
	}
	if err != nil {
		return fmt.Errorf("delete the record of an attachment: %w", err)
	}
	return nil
}

// Load returns the recorded attachments, sorted by container and interface, without those that have a tombstone.
// Records that cannot be read, or are none, are left out and are problems, each with the file's path.
func (r Records) Load() (attachments []Attachment, problems []error) {
	names, err := r.names(recordSuffix)
	if err != nil {
		return nil, []error{err}
	}
	for _, name := range names {
		a, err := load(filepath.Join(r.Dir, name))
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			problems = append(problems, fmt.Errorf("record %s: %w", filepath.Join(r.Dir, name), err))
		case !r.buried(a.Key()):
			attachments = append(attachments, a)
		}
	}
	slices.SortFunc(attachments, func(a, b Attachment) int { return a.Key().compare(b.Key()) })
	return attachments, problems
}

// Addrs returns the addresses of an attachment's record, also of one that has a tombstone; nil where there is no
// record, or none that can be read, which Load has told.
func (r Records) Addrs(container, ifname string) []netip.Addr {
	if validateKey(container, ifname) != nil {
		return nil
	}
	a, err := load(r.path(Key{container, ifname}, recordSuffix))
	if err != nil {
		return nil
	}
	return a.Addrs
}

func load(path string) (a Attachment, err error) {
	info, err := os.Lstat(path)
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("it is no regular file")
	}
	if err != nil {
		return a, err
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return a, err
	}
	if err := json.NewDecoder(bytes.NewReader(content)).Decode(&a); err != nil {
		return a, fmt.Errorf("it cannot be read: %w", err)
	}
	if err := a.Validate(); err != nil {
		return a, err
	}
	if a.Key().name()+recordSuffix != filepath.Base(path) {
		return a, fmt.Errorf("it is the record of %s", a.Key().name())
	}
	return a, nil
}

// names returns the names of files that end in suffix, sorted. A directory that is absent has none.
func (r Records) names(suffix string) (names []string, err error) {
	entries, err := os.ReadDir(r.Dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read the records of attachments: %w", err)
	}
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), suffix) {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

func (r Records) path(k Key, suffix string) string { return filepath.Join(r.Dir, k.name()+suffix) }
