package inside

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
)

// Relay says where Serve relays connections to.
type Relay struct {
	// To is an IP address and port that the machine reaches.
	To string
}

// Serve accepts connections on the listener that it inherited as descriptor 3, which may be of another network namespace than
// the one it runs in, and relays each, until it is killed.
func (r Relay) Serve(ctx context.Context) error {
	file := os.NewFile(3, "listener")
	listener, err := net.FileListener(file)
	if err := errors.Join(err, file.Close()); err != nil {
		return fmt.Errorf("relay to %s: %w", r.To, err)
	}
	for {
		conn, err := listener.Accept()
		if err != nil {
			return fmt.Errorf("relay to %s: %w", r.To, err)
		}
		go r.relay(ctx, conn)
	}
}

func (r Relay) relay(ctx context.Context, near net.Conn) {
	defer near.Close()
	var dialer net.Dialer
	far, err := dialer.DialContext(ctx, "tcp", r.To)
	if err != nil {
		// The client sees a closed connection, as it would of a server that is down.
		return
	}
	defer far.Close()
	done := make(chan struct{}, 2)
	for _, way := range [2][2]net.Conn{{near, far}, {far, near}} {
		go func() {
			_, _ = io.Copy(way[1], way[0])
			// Half-closed is how some protocols end a request.
			if tcp, ok := way[1].(*net.TCPConn); ok {
				_ = tcp.CloseWrite()
			}
			done <- struct{}{}
		}()
	}
	<-done
	<-done
}
