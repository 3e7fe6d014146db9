package bundle

import (
	"archive/tar"
	"bytes"
	"cmp"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"
)

// Most is how many bytes the files of a report may have in all, before compression.
const Most = 200 << 20

// ErrTooLarge is wrapped by errors about reports with more than Most bytes.
var ErrTooLarge = fmt.Errorf("more than %d MiB", Most>>20)

// ErrTerminal tells that an archive would be written to a terminal: a command that writes one looks first.
var ErrTerminal = errors.New("bugreport writes an archive: send it into a file (> report.tar.gz)")

// File is one file of a report. Name is a path with slashes.
type File struct {
	Name    string
	Content []byte
}

// Write writes the files, sorted by name, as a tar archive compressed by gzip, all with one time of modification. It
// writes nothing if they are too large: the error wraps ErrTooLarge.
func Write(w io.Writer, at time.Time, files []File) error {
	if size := Size(files); size > Most {
		return fmt.Errorf("a bug report of %d bytes: %w", size, ErrTooLarge)
	}
	compressed := gzip.NewWriter(w)
	archive := tar.NewWriter(compressed)
	byName := func(a, b File) int { return cmp.Compare(a.Name, b.Name) }
	for _, f := range slices.SortedFunc(slices.Values(files), byName) {
		header := &tar.Header{
			Name: f.Name, Mode: 0o600, Size: int64(len(f.Content)), ModTime: at, Typeflag: tar.TypeReg,
		}
		if err := archive.WriteHeader(header); err != nil {
			return err
		}
		if _, err := archive.Write(f.Content); err != nil {
			return err
		}
	}
	return errors.Join(archive.Close(), compressed.Close())
}

// Size returns how many bytes the files have in all.
func Size(files []File) (size int) {
	for _, f := range files {
		size += len(f.Content)
	}
	return size
}

// Read returns the files of what Write wrote: ReadUpTo with Most.
func Read(compressed []byte) (files []File, err error) { return ReadUpTo(compressed, Most) }

// around is how many bytes an archive may have beside its files: tar rounds each up to 512, and has headers.
const around = 1 << 20

// ReadUpTo returns the files of what Write wrote. It reads no more than so many bytes of files, whatever they claim to
// be: the error then wraps ErrTooLarge.
func ReadUpTo(compressed []byte, most int) (files []File, err error) {
	plain, err := gzip.NewReader(bytes.NewReader(compressed))
	if err != nil {
		return nil, err
	}
	bounded := &io.LimitedReader{R: plain, N: int64(most) + around}
	archive := tar.NewReader(bounded)
	for {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return files, nil
		}
		if err == nil && header.Size > int64(most-Size(files)) {
			err = ErrTooLarge
		}
		if err != nil {
			return nil, err
		}
		content, err := io.ReadAll(archive)
		if err != nil {
			return nil, err
		}
		files = append(files, File{header.Name, content})
	}
}
