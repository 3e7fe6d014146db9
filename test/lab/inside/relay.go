package inside

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
)

// Relay says where Serve relays connections to.
type Relay struct {
	// To is an IP address and port that the machine reaches. Empty: each client says where to, by HTTP's CONNECT.
	To string
}

// Serve accepts connections on the listener that it inherited as descriptor 3, which may be of another network
// namespace than the one it runs in, and relays each, until it is killed.
func (r Relay) Serve(ctx context.Context) error {
	file := os.NewFile(3, "listener")
	listener, err := net.FileListener(file)
	if err := errors.Join(err, file.Close()); err != nil {
		return fmt.Errorf("relay to %q: %w", r.To, err)
	}
	for {
		conn, err := listener.Accept()
		if err != nil {
			return fmt.Errorf("relay to %q: %w", r.To, err)
		}
		go r.relay(ctx, conn)
	}
}

func (r Relay) relay(ctx context.Context, near net.Conn) {
	defer near.Close()
	far, err := r.dial(ctx, near)
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
			if half, ok := way[1].(interface{ CloseWrite() error }); ok {
				_ = half.CloseWrite()
			}
			done <- struct{}{}
		}()
	}
	<-done
	<-done
}

// dial connects to where the client is to be relayed, and tells it so where it has asked.
func (r Relay) dial(ctx context.Context, near net.Conn) (net.Conn, error) {
	var dialer net.Dialer
	if r.To != "" {
		return dialer.DialContext(ctx, "tcp", r.To)
	}
	request, err := http.ReadRequest(bufio.NewReader(near))
	if err != nil {
		return nil, err
	}
	if request.Method != http.MethodConnect {
		return nil, fmt.Errorf("a client asks to %s", request.Method)
	}
	far, err := dialer.DialContext(ctx, "tcp", request.Host)
	if err != nil {
		return nil, err
	}
	_, err = io.WriteString(near, "HTTP/1.1 200 Connection established\r\n\r\n")
	return far, err
}
