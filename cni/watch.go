package cni

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Watch calls poke whenever something changes among the runtime's configurations or behind warren's link, until ctx
// ends; then it returns nil. What Configure does pokes, too. It makes the directories if they are absent, as Configure
// does.
func (c Configuration) Watch(ctx context.Context, poke func()) error {
	if err := watch(ctx, poke, c.ConfDir, filepath.Dir(c.File())); err != nil {
		return fmt.Errorf("watch the CNI configurations: %w", err)
	}
	return nil
}

// Watch calls poke whenever something changes among the runtime's plugins, until ctx ends; then it returns nil.
func (p Plugins) Watch(ctx context.Context, poke func()) error {
	if err := watch(ctx, poke, p.To); err != nil {
		return fmt.Errorf("watch the CNI plugins: %w", err)
	}
	return nil
}

// changes are what inotify(7) reports of a directory: files that come, go or are written, and its own end.
const (
	changes = unix.IN_CREATE | unix.IN_DELETE | unix.IN_MOVED_FROM | unix.IN_MOVED_TO | unix.IN_CLOSE_WRITE |
		unix.IN_DELETE_SELF | unix.IN_MOVE_SELF | unix.IN_ONLYDIR
	gone = unix.IN_DELETE_SELF | unix.IN_MOVE_SELF | unix.IN_IGNORED | unix.IN_UNMOUNT
)

// errReplaced is for a directory that is watched no more: the caller watches the one in its place. In a container there
// is none; see Configuration.Deleted.
var errReplaced = errors.New("a watched directory was moved or removed")

// watch is not fsnotify's: three directories of one kind need neither goroutines nor names of what changed.
func watch(ctx context.Context, poke func(), dirs ...string) error {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return os.NewSyscallError("inotify_init1", err)
	}
	events := os.NewFile(uintptr(fd), "inotify") // non-blocking: Close ends Read
	defer events.Close()
	for _, dir := range dirs {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
		if _, err := unix.InotifyAddWatch(fd, dir, changes); err != nil {
			return &os.PathError{Op: "inotify_add_watch", Path: dir, Err: err}
		}
	}
	defer context.AfterFunc(ctx, func() { _ = events.Close() })()
	poke() // for what changed before
	buffer := make([]byte, 64<<10)
	for {
		n, err := events.Read(buffer)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		if ended(buffer[:n]) {
			return errReplaced
		}
		poke()
	}
}

// ended reports whether any of the events is the end of a watch. An event is a struct inotify_event: descriptor, mask,
// cookie and the length of the name that follows, in 32 bits each.
func ended(events []byte) bool {
	for len(events) >= unix.SizeofInotifyEvent {
		mask, size := binary.NativeEndian.Uint32(events[4:]), binary.NativeEndian.Uint32(events[12:])
		if mask&gone != 0 {
			return true
		}
		events = events[min(len(events), unix.SizeofInotifyEvent+int(size)):]
	}
	return false
}
