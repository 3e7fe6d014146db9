package gate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"warren.mesh/internal/excerpt"
	"warren.mesh/internal/hostdir"
)

// Server answers the plugins' requests. All fields are required, but for those that say otherwise.
type Server struct {
	// RunDir is the daemon's run directory, in which the socket is.
	RunDir string
	// Daemon does what is asked.
	Daemon Daemon
	// Log receives what a plugin could not be given.
	Log *slog.Logger
	// Listening is called when plugins can connect; nil calls nobody. It must not block.
	Listening func()
}

// Serve answers on the socket, which it makes anew, until ctx ends; then it returns nil. An error says what keeps it
// from that, and the remedy.
//
// Before the first request it has the Daemon detach what has a tombstone in RecordsIn(RunDir). By then it listens
// already, so a plugin that finds no daemon, leaves a tombstone and asks once more reaches it one way or the other. The
// file of the socket stays when it returns: only the next daemon, whose socket replaces it, could tell whose it is.
func (s Server) Serve(ctx context.Context) error {
	if s.Listening == nil {
		s.Listening = func() {}
	}
	for ctx.Err() == nil {
		if err := s.serve(ctx); err != nil {
			return fmt.Errorf("serve CNI plugins at %s: %w", Socket(s.RunDir), err)
		}
	}
	return nil
}

// serve returns when ctx has ended or the socket's file is gone.
func (s Server) serve(ctx context.Context) error {
	listener, err := Listen(Socket(s.RunDir))
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	context.AfterFunc(ctx, func() { _ = listener.Close() })
	s.Listening()
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()
	s.takeTombstones(ctx)
	running.Go(func() {
		defer cancel()
		UntilGone(ctx, Socket(s.RunDir))
	})
	for {
		conn, err := listener.AcceptUnix()
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			return err
		}
		running.Go(func() { s.handle(ctx, conn) })
	}
}

// Listen makes a socket to which root alone may connect, in the place of one that an earlier daemon has left there. It
// makes it under another name and renames it, so that clients find the old or the new one, and never one that others
// may connect to. The file stays when the listener is closed. An error has the remedy.
func Listen(path string) (*net.UnixListener, error) {
	listener, err := listen(path)
	if lost := hostdir.At(filepath.Dir(path)).Lost(); err != nil && lost != nil {
		return nil, fmt.Errorf("%w: %w", err, lost)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: remove what is in its place, and see that the directory can be written to", err)
	}
	return listener, nil
}

func listen(path string) (*net.UnixListener, error) {
	temporary := path + ".tmp"
	if err := os.Remove(temporary); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: temporary, Net: "unix"})
	if err != nil {
		return nil, err
	}
	listener.SetUnlinkOnClose(false)
	if err := errors.Join(os.Chmod(temporary, 0o600), os.Rename(temporary, path)); err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	return listener, nil
}

// UntilGone returns when ctx has ended or somebody has deleted the socket's file, as those do who clean up /run. A file
// that replaces it belongs to another daemon, to which it is left.
func UntilGone(ctx context.Context, socket string) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if _, err := os.Lstat(socket); errors.Is(err, fs.ErrNotExist) {
				return
			}
		}
	}
}

// requestIn is how long a client may take to say what it wants.
const requestIn = 5 * time.Second

func (s Server) handle(ctx context.Context, conn *net.UnixConn) {
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	_ = conn.SetDeadline(time.Now().Add(requestIn))
	var r request
	err := allowed(conn)
	if err == nil {
		err = read(conn, &r)
	}
	if err != nil {
		s.Log.Warn("a request to the CNI socket was refused", "err", err)
		_ = json.NewEncoder(conn).Encode(response{Error: err.Error()})
		return
	}
	answer := s.answer(ctx, conn, r)
	if ctx.Err() != nil {
		return // The client asks the next daemon.
	}
	_ = conn.SetDeadline(time.Now().Add(requestIn))
	_ = json.NewEncoder(conn).Encode(answer)
}

// answer does what is asked. What it does ends when the client has given up: it closes the connection, or is killed.
func (s Server) answer(ctx context.Context, conn *net.UnixConn, r request) response {
	wait := maxWait
	if asked := time.Duration(r.Wait) * time.Millisecond; asked > 0 && asked < wait {
		wait = asked
	}
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	_ = conn.SetDeadline(time.Time{})
	var left sync.WaitGroup
	left.Go(func() {
		_, _ = conn.Read(make([]byte, 1)) // ends with the client, or with the deadline below
		cancel()
	})
	known, err := s.do(ctx, r)
	_ = conn.SetReadDeadline(time.Unix(1, 0))
	left.Wait()
	if err != nil {
		text := excerpt.Of(err.Error(), mostError)
		s.failed(r, text)
		return response{Error: text}
	}
	return response{Unknown: !known}
}

// failed logs what has no other line: a daemon that is not ready says so itself.
func (s Server) failed(r request, reason string) {
	if a := r.Attachment; r.Command != status {
		s.Log.Warn("a request of the CNI plugin failed", "command", r.Command, "pod", a.Namespace+"/"+a.Name,
			"container", a.Container, "err", reason)
	}
}

func (s Server) do(ctx context.Context, r request) (known bool, err error) {
	a := r.Attachment
	switch r.Command {
	case add:
		if err := a.Validate(); err != nil {
			return true, err
		}
		if err := s.Daemon.Attach(ctx, a); err != nil {
			return true, err
		}
		return true, RecordsIn(s.RunDir).removeTombstone(a.Container, a.Interface)
	case del:
		if err := validateKey(a.Container, a.Interface); err != nil {
			return true, err
		}
		if err := s.Daemon.Detach(ctx, a.Container, a.Interface); err != nil {
			return true, err
		}
		return true, RecordsIn(s.RunDir).removeTombstone(a.Container, a.Interface)
	case check:
		if err := a.Validate(); err != nil {
			return true, err
		}
		return true, s.Daemon.Check(ctx, a)
	case status:
		return true, s.Daemon.Ready(ctx)
	case gc:
		return true, s.Daemon.Keep(ctx, r.Containers)
	}
	return false, nil
}

// takeTombstones detaches what plugins could not tell the daemon while it did not run, all at once: the Daemon does for
// many together what takes long.
func (s Server) takeTombstones(ctx context.Context) {
	gone, problems := RecordsIn(s.RunDir).Tombstones()
	for _, err := range problems {
		s.Log.Warn("a tombstone was ignored", "err", err)
	}
	var running sync.WaitGroup
	defer running.Wait()
	for _, key := range gone {
		running.Go(func() {
			err := s.Daemon.Detach(ctx, key.Container, key.Interface)
			if err == nil {
				err = RecordsIn(s.RunDir).removeTombstone(key.Container, key.Interface)
			}
			if err != nil {
				s.Log.Warn("a pod that ended could not be forgotten", "container", key.Container, "err", err)
			}
		})
	}
}
