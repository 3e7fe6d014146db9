package userspace

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"testing"

	"warren.mesh/internal/atomicfile"
)

// left is the socket of a process that was killed, in a directory of its own.
func left(t *testing.T) (socket string) {
	t.Helper()
	socket = filepath.Join(t.TempDir(), "wireguard", "wg-test.sock")
	if err := os.Mkdir(filepath.Dir(socket), 0o755); err != nil {
		t.Fatal(err)
	}
	listener := answering(t, socket)
	listener.SetUnlinkOnClose(false)
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	return socket
}

func answering(t *testing.T, socket string) *net.UnixListener {
	t.Helper()
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: socket, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	return listener
}

func TestRemove(t *testing.T) {
	socket := left(t)
	for _, name := range []string{socket + ".state", atomicfile.Temporary(socket + ".state")} {
		if err := os.WriteFile(name, []byte("secret"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		if err := remove(socket, socket+".state"); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat(filepath.Dir(socket)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the directory, empty now, is still there: %v", err)
	}
}

func TestRemoveKeepsOthers(t *testing.T) {
	socket := left(t)
	other := filepath.Join(filepath.Dir(socket), "wg0.sock")
	defer answering(t, other).Close()
	if err := remove(socket, socket+".state"); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(other); err != nil {
		t.Error(err)
	}
	if err := remove(other, other+".state"); !errors.Is(err, ErrInUse) {
		t.Errorf("socket of a process that runs: error %v, want ErrInUse", err)
	}
}
