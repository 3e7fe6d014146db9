package userspace

import (
	"bufio"
	"errors"
	"fmt"
	"net"

	"golang.zx2c4.com/wireguard/device"
	"golang.zx2c4.com/wireguard/ipc"
)

// server answers UAPI clients, as device.IpcHandle does (https://www.wireguard.com/xplatform/). It calls changed after
// each request that sets something and before the answer, so that every change that a client knows of is saved.
type server struct {
	dev     boundedDevice
	log     *device.Logger
	changed func()
}

// handle answers one client's requests until the client closes the connection or sends an invalid request.
func (s server) handle(client net.Conn) {
	defer client.Close()
	rw := bufio.NewReadWriter(bufio.NewReader(client), bufio.NewWriter(client))
	for {
		request, err := rw.ReadString('\n')
		if err != nil {
			return
		}
		switch request {
		case "set=1\n":
			var settings []byte
			if settings, err = readSettings(rw.Reader); err != nil {
				return
			}
			err = s.dev.configure(settings)
			if len(settings) > 1 { // Otherwise it asks whether the device answers.
				s.changed()
			}
		case "get=1\n":
			err = s.get(rw)
		default:
			s.log.Errorf("invalid UAPI operation")
			return
		}
		if err := s.answer(rw.Writer, err); err != nil {
			return
		}
	}
}

// readSettings reads the rest of a request that sets something, up to the empty line at its end. The device would read
// it while it holds the lock that every request takes, and a client that stops in the middle would hang all others.
func readSettings(r *bufio.Reader) (settings []byte, err error) {
	for {
		line, err := r.ReadBytes('\n')
		if err != nil {
			return nil, err
		}
		if settings = append(settings, line...); len(line) == 1 {
			return settings, nil
		}
	}
}

var errTrailing = errors.New("trailing character in UAPI get")

func (s server) get(rw *bufio.ReadWriter) error {
	end, err := rw.ReadByte()
	if err != nil {
		return err
	}
	if end != '\n' {
		return errTrailing
	}
	return s.dev.IpcGetOperation(rw.Writer)
}

// answer writes the last lines of an answer: the result of the request.
func (s server) answer(w *bufio.Writer, result error) error {
	code := int64(0)
	if result != nil {
		s.log.Errorf("%v", result)
		code = ipc.IpcErrorInvalid
		if status, ok := errors.AsType[*device.IPCError](result); ok {
			code = status.ErrorCode()
		}
	}
	_, _ = fmt.Fprintf(w, "errno=%d\n\n", code) // Flush returns its error.
	return w.Flush()
}
