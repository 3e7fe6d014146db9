package main

import (
	"context"
	"net"
	"net/http"
	"slices"
	"sync"
)

// maxConns is how many connections a port for metrics or health holds. Each takes some 17 kB.
const maxConns = 64

// boundedListener holds at most maxConns connections: for one more it closes that which has been there longest without
// a request that is being answered. So nobody keeps others out by connections that say nothing, as they would with
// golang.org/x/net/netutil.LimitListener, which lets those wait that come later: a kubelet, for one.
type boundedListener struct {
	net.Listener

	mu sync.Mutex
	// held are in the order in which they came.
	held []*boundedConn
}

// boundedConn is a connection of a boundedListener.
type boundedConn struct {
	net.Conn
	listener *boundedListener
	// answering says that a request is being answered; the listener's mu guards it.
	answering bool
}

// Accept returns the next connection, which is closed already if all others are being answered.
func (l *boundedListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	c := &boundedConn{Conn: conn, listener: l}
	if loser := l.hold(c); loser != nil {
		_ = loser.Close()
	}
	return c, nil
}

// hold takes one more connection, and returns which is to be closed; nil for none.
func (l *boundedListener) hold(c *boundedConn) (loser *boundedConn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.held = append(l.held, c)
	if len(l.held) > maxConns {
		return l.held[slices.IndexFunc(l.held, func(c *boundedConn) bool { return !c.answering })]
	}
	return nil
}

// Close closes the connection, which is not held any more.
func (c *boundedConn) Close() error {
	c.listener.mu.Lock()
	c.listener.held = slices.DeleteFunc(c.listener.held, func(held *boundedConn) bool { return held == c })
	c.listener.mu.Unlock()
	return c.Conn.Close()
}

func (c *boundedConn) answers(answering bool) {
	c.listener.mu.Lock()
	defer c.listener.mu.Unlock()
	c.answering = answering
}

// connKey is the key of the boundedConn in a request's context.
type connKey struct{}

// bound has a server tell the listeners of its connections what they answer.
func bound(web *http.Server) {
	handler := web.Handler
	web.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
		return context.WithValue(ctx, connKey{}, c)
	}
	web.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c, bounded := r.Context().Value(connKey{}).(*boundedConn); bounded {
			c.answers(true)
			defer c.answers(false)
		}
		handler.ServeHTTP(w, r)
	})
}
