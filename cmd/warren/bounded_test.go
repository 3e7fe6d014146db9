package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

// bounded serves a handler without time-outs, so that only the bound ends a connection. It ends with the test.
func bounded(t *testing.T, handler http.Handler) (l *boundedListener, address string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l = &boundedListener{Listener: listener}
	web := &http.Server{Handler: handler} //nolint:gosec // No time-outs.
	bound(web)
	ended := make(chan struct{})
	go func() { _ = web.Serve(l); close(ended) }()
	t.Cleanup(func() { _ = web.Close(); <-ended })
	return l, listener.Addr().String()
}

// sayTo opens a connection and sends a text. closed gets a value when the server has closed it.
func sayTo(t *testing.T, address, text string, closed chan<- struct{}) {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
	go func() {
		_, _ = io.Copy(io.Discard, conn)
		closed <- struct{}{}
	}()
}

// Of any number of connections on which no request is complete, 64 are held, and they keep nobody out. One that is
// being answered is not closed for others.
func TestConnectionsAreBounded(t *testing.T) {
	asked, answer := make(chan struct{}), make(chan struct{})
	l, address := bounded(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			close(asked)
			<-answer
		}
		w.WriteHeader(http.StatusNotFound)
	}))
	slow := make(chan error, 1)
	go func() {
		response, err := http.Get("http://" + address + "/slow")
		if err == nil {
			err = response.Body.Close()
		}
		slow <- err
	}()
	<-asked
	closed := make(chan struct{}, 200)
	for i := range 200 {
		sayTo(t, address, strings.Repeat("GET / HTTP/1.1\r\nX: ", i%2), closed)
	}
	for range 200 - (maxConns - 1) {
		<-closed
	}
	wantAnswer(t, address)
	l.mu.Lock()
	if n := len(l.held); n > maxConns {
		t.Errorf("%d connections are held, want %d at most", n, maxConns)
	}
	l.mu.Unlock()
	close(answer)
	if err := <-slow; err != nil {
		t.Errorf("the request that was being answered: %v", err)
	}
}

// While all connections are being answered, one more is closed.
func TestConnectionsThatAreAnsweredStay(t *testing.T) {
	var l boundedListener
	for range maxConns {
		if loser := l.hold(&boundedConn{listener: &l, answering: true}); loser != nil {
			t.Fatal("one is closed")
		}
	}
	if last := (&boundedConn{listener: &l}); l.hold(last) != last {
		t.Error("another than the last is closed")
	}
}

// What a stranger says is held up to 12 kB: the header's bound and what Go adds to it.
func TestHeadersAreBounded(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := taken.Addr().String()
	if err := taken.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-serving(t, address); err != nil {
		t.Fatal(err)
	}
	const tooLarge = http.StatusRequestHeaderFieldsTooLarge
	for size, want := range map[int]int{4 << 10: http.StatusNotFound, 16 << 10: tooLarge} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address, nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("X", strings.Repeat("x", size))
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(fmt.Errorf("a header of %d bytes: %w", size, err))
		}
		_ = response.Body.Close()
		if response.StatusCode != want {
			t.Errorf("a header of %d bytes: %s, want %d", size, response.Status, want)
		}
	}
}
