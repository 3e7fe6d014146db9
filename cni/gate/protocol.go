package gate

import (
	"encoding/json"
	"errors"
	"io"
	"path/filepath"
	"time"
)

// ErrDown is wrapped by the errors of a Client whose daemon does not listen, or ended before it had answered.
var ErrDown = errors.New("the warren daemon of this node does not run")

// ErrUnknown is wrapped by the errors of a Client whose daemon is older and does not know the command.
var ErrUnknown = errors.New("the warren daemon of this node does not know the command")

// Socket returns the path of the daemon's socket in the run directory (/run/warren).
func Socket(runDir string) string { return filepath.Join(runDir, "cni.sock") }

// A connection has one request and one response, each a JSON object of one line. There is no version number: both sides
// ignore fields that they do not know, a field that is added later has a zero value that means what was meant without
// it, and what cannot be said so is a new command, to which older daemons answer Unknown. HTTP is not used, because it
// makes the plugin twice as large (6.6 MB instead of 3.1) and says nothing more.
const (
	add    = "ADD"
	del    = "DEL"
	check  = "CHECK"
	status = "STATUS"
	gc     = "GC"
)

// maxMessage bounds a request and a response, in bytes. The largest is that of GC, with 67 bytes for each pod.
const maxMessage = 1 << 20

// mostError bounds the text of a response's error in bytes, which the kubelet repeats in an Event.
const mostError = 8 << 10

// maxWait bounds how long the daemon works on one request, whatever the client asks for.
const maxWait = time.Minute

type request struct {
	Command string `json:"command"`
	// Attachment is that of ADD and CHECK. DEL has Container and Interface only.
	Attachment Attachment `json:"attachment,omitzero"`
	// Containers are those that GC keeps.
	Containers []string `json:"containers,omitempty"`
	// Wait is how long the client waits for the response, in milliseconds. 0 is maxWait.
	Wait int64 `json:"wait,omitempty"`
}

type response struct {
	// Error is empty if the command succeeded.
	Error string `json:"error,omitempty"`
	// Unknown says that the daemon does not know the command.
	Unknown bool `json:"unknown,omitempty"`
}

var errTooLong = errors.New("a message of more than 1 MiB")

// read decodes one message of maxMessage bytes at most.
func read(from io.Reader, message any) error {
	limited := &io.LimitedReader{R: from, N: maxMessage}
	err := json.NewDecoder(limited).Decode(message)
	if err != nil && limited.N == 0 {
		return errTooLong
	}
	return err
}
