package vm

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
)

// archive writes an initramfs, in the one format that Linux reads: cpio's "newc" (usr/gen_init_cpio.c,
// Documentation/driver-api/early-userspace/buffer-format.rst). Directories above a file are written as they are needed.
type archive struct {
	out io.Writer
	// err is the first error, after which nothing is written.
	err     error
	inode   int
	written int64
	dirs    map[string]bool
	files   map[string]bool
}

func newArchive(out io.Writer) *archive {
	return &archive{out: out, dirs: map[string]bool{"/": true, ".": true}, files: map[string]bool{}}
}

// Modes of entries, of which only the type and the permissions matter (inode(7)).
const (
	modeDir  = 0o040755
	modeFile = 0o100755
	modeLink = 0o120777
)

// add writes a file with this content; the second of a name is none.
func (a *archive) add(name string, content []byte) {
	if !a.files[name] {
		a.files[name] = true
		a.above(name)
		a.entry(name, modeFile, content)
	}
}

// addFile is add for the content of a file.
func (a *archive) addFile(name, from string) {
	if a.files[name] {
		return
	}
	content, err := os.ReadFile(from)
	if err != nil {
		a.fail(err)
		return
	}
	a.add(name, content)
}

// addTree adds all files below a directory.
func (a *archive) addTree(name, from string) {
	root := os.DirFS(from)
	a.fail(fs.WalkDir(root, ".", func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := fs.ReadFile(root, file)
		a.add(path.Join(name, file), content)
		return err
	}))
}

// link writes a symbolic link.
func (a *archive) link(name, target string) {
	a.above(name)
	a.entry(name, modeLink, []byte(target))
}

// dir writes a directory and those above it.
func (a *archive) dir(name string) {
	if !a.dirs[name] {
		a.dirs[name] = true
		a.above(name)
		a.entry(name, modeDir, nil)
	}
}

func (a *archive) above(name string) { a.dir(path.Dir(name)) }

// trailer is the name of an archive's last entry.
const trailer = "TRAILER!!!"

// close ends the archive and returns the first error of all.
func (a *archive) close() error {
	a.entry(trailer, 0, nil)
	return a.err
}

// entry writes a header, which is all hexadecimal digits, the name and the content, each padded to four bytes.
func (a *archive) entry(name string, mode int, content []byte) {
	name = strings.TrimPrefix(name, "/")
	a.inode++
	const nlink, owner, mtime, device, check = 1, 0, 0, 0, 0
	a.print("070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x",
		a.inode, mode, owner, owner, nlink, mtime, len(content), device, device, device, device, len(name)+1, check)
	a.print("%s\x00", name)
	a.pad()
	a.write(content)
	a.pad()
}

func (a *archive) pad() { a.write(make([]byte, -a.written&3)) }

func (a *archive) print(format string, args ...any) { a.write(fmt.Appendf(nil, format, args...)) }

func (a *archive) write(b []byte) {
	if a.err != nil {
		return
	}
	n, err := a.out.Write(b)
	a.written += int64(n)
	a.fail(err)
}

func (a *archive) fail(err error) {
	if a.err == nil {
		a.err = err
	}
}
