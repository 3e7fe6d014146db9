package inside

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
)

// What is sent one way and the other arrives, and the end of either.
func TestRelay(t *testing.T) {
	server := echo(t)
	near, far := net.Pipe()
	go Relay{To: server.Addr().String()}.relay(t.Context(), far)
	if _, err := near.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 5)
	if _, err := io.ReadFull(near, got); err != nil || string(got) != "hello" {
		t.Errorf("got %q, %v", got, err)
	}
	if err := near.Close(); err != nil {
		t.Fatal(err)
	}
}

// A client may say where to.
func TestRelayByRequest(t *testing.T) {
	server := echo(t)
	near, far := net.Pipe()
	go Relay{}.relay(t.Context(), far)
	if _, err := fmt.Fprintf(near, "CONNECT %[1]v HTTP/1.1\r\nHost: %[1]v\r\n\r\n", server.Addr()); err != nil {
		t.Fatal(err)
	}
	answer := bufio.NewReader(near)
	if response, err := http.ReadResponse(answer, nil); err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("got %v, %v", response, err)
	}
	if _, err := io.WriteString(near, "hello"); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 5)
	if _, err := io.ReadFull(answer, got); err != nil || string(got) != "hello" {
		t.Errorf("got %q, %v", got, err)
	}
}

// echo is a server that sends one client back what it says.
func echo(t *testing.T) net.Listener {
	t.Helper()
	server := listenLoopback(t)
	go func() {
		conn, err := server.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		_, _ = io.Copy(conn, conn)
	}()
	return server
}

// Where nobody answers, the connection is closed.
func TestRelayToNobody(t *testing.T) {
	gone := listenLoopback(t)
	if err := gone.Close(); err != nil {
		t.Fatal(err)
	}
	near, far := net.Pipe()
	go Relay{To: gone.Addr().String()}.relay(t.Context(), far)
	if n, err := near.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("got %d bytes, %v", n, err)
	}
}

func listenLoopback(t *testing.T) net.Listener {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	return listener
}
