package kube

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"warren.mesh/internal/atomicfile"
)

// firstTimeout bounds a connection to the configured address if others are known. Two lost SYNs are repeated within it.
const firstTimeout = 4 * time.Second

// dialFunc opens a connection, as net.Dialer.DialContext does.
type dialFunc func(ctx context.Context, network, address string) (net.Conn, error)

// ways are the addresses at which the API server was seen: ways around the configured one, which is a Service's in most
// clusters, and leads nowhere without kube-proxy. Whoever answers there must have the same certificate: client-go
// compares it with the configured host, whatever dial connects to.
type ways struct {
	// file has one address to a line. It is on tmpfs: after a reboot others may have them. Empty is none.
	file   string
	direct dialFunc
	report func(error)

	mu    sync.Mutex
	known []string
	// missed is the configured address while connections go to taken instead; both are empty while they do not.
	missed, taken string
	// trouble is why the addresses cannot be remembered.
	trouble error
}

// newWays returns the ways of a file, which need not exist.
func newWays(file string, direct dialFunc, report func(error)) *ways {
	if report == nil {
		report = func(error) {}
	}
	w := &ways{file: file, direct: direct, report: report}
	if content, err := os.ReadFile(file); err == nil {
		w.known = parseWays(string(content))
	}
	return w
}

// parseWays returns the addresses in text, IP:PORT, and leaves out all else.
func parseWays(text string) (all []string) {
	for _, field := range strings.Fields(text) {
		if way, err := netip.ParseAddrPort(field); err == nil && way.Addr().Zone() == "" {
			all = append(all, way.String())
		}
	}
	return all
}

// dial connects to address or, if that fails, to the first known way that answers. The error is that of address.
func (w *ways) dial(ctx context.Context, network, address string) (net.Conn, error) {
	w.mu.Lock()
	others := slices.DeleteFunc(slices.Clone(w.known), func(way string) bool { return way == address })
	w.mu.Unlock()
	if len(others) == 0 {
		return w.direct(ctx, network, address)
	}
	conn, err := w.briefly(ctx, network, address)
	if err == nil {
		w.note(func() { w.missed, w.taken = "", "" })
		return conn, nil
	}
	for _, way := range others {
		if conn, other := w.briefly(ctx, network, way); other == nil {
			w.note(func() { w.missed, w.taken = address, way })
			return conn, nil
		}
	}
	return nil, err
}

func (w *ways) briefly(ctx context.Context, network, address string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, firstTimeout)
	defer cancel()
	return w.direct(ctx, network, address)
}

// note changes what an operator should know, and reports it.
func (w *ways) note(change func()) {
	w.mu.Lock()
	change()
	err := w.trouble
	if w.missed != "" {
		const format = "%s is out of reach, connected to %s instead: is kube-proxy running on this node?"
		err = fmt.Errorf(format, w.missed, w.taken)
	}
	w.mu.Unlock()
	w.report(err)
}

// again tries the configured address, if connections go elsewhere: they last, and nobody else would.
func (w *ways) again(ctx context.Context) {
	w.mu.Lock()
	address := w.missed
	w.mu.Unlock()
	if address == "" {
		return
	}
	conn, err := w.briefly(ctx, "tcp", address)
	if err != nil {
		return
	}
	_ = conn.Close()
	w.note(func() { w.missed, w.taken = "", "" })
}

// remember replaces the known ways and the file if these differ. None are no news.
func (w *ways) remember(found []string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(found) == 0 || w.file == "" || slices.Equal(found, w.known) {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(w.file), 0o755); err != nil {
		return err
	}
	if err := atomicfile.Write(w.file, []byte(strings.Join(found, "\n")+"\n"), 0o600); err != nil {
		return fmt.Errorf("write %s: %w", w.file, err)
	}
	w.known = found
	return nil
}
