package userspace

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// maxFrame is the largest frame in bytes, some hundred times the settings of 5,000 peers: a longer one is garbage.
const maxFrame = 1 << 28

// writeFrame writes a frame: the length of content in four bytes, big-endian, and content.
func writeFrame(w io.Writer, content []byte) error {
	frame := binary.BigEndian.AppendUint32(make([]byte, 0, 4+len(content)), uint32(len(content)))
	_, err := w.Write(append(frame, content...))
	return err
}

// readFrame reads a frame and returns its content. The error is io.EOF if the other side closed the pipe between two
// frames.
func readFrame(r io.Reader) ([]byte, error) {
	var length [4]byte
	if _, err := io.ReadFull(r, length[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(length[:])
	if n > maxFrame {
		return nil, fmt.Errorf("frame of %d bytes", n)
	}
	content := make([]byte, n)
	_, err := io.ReadFull(r, content)
	return content, err
}

// newPipe returns the two ends of a connection between this process and one that it starts.
func newPipe() (ours, theirs *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("make a pair of sockets: %w", err)
	}
	// A non-blocking socket takes no thread while a goroutine reads it, and closing it ends the read.
	if err := unix.SetNonblock(fds[0], true); err != nil {
		return nil, nil, errors.Join(err, unix.Close(fds[0]), unix.Close(fds[1]))
	}
	return os.NewFile(uintptr(fds[0]), "supervised"), os.NewFile(uintptr(fds[1]), "supervisor"), nil
}
