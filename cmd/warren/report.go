package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"warren.mesh/mesh"
	"warren.mesh/mesh/linux"
	"warren.mesh/mesh/status"
	"warren.mesh/mesh/view"
)

// reportTimeout bounds how long a daemon may take to tell its state: it waits for nft at most.
const reportTimeout = 8 * time.Second

// mostReport bounds the answer: 5,000 peers take some 3 MiB.
const mostReport = 64 << 20

// mostRefusal bounds what the daemon says where it does not do what it was asked, in bytes.
const mostRefusal = 4096

// sources are where a report comes from: what the daemon measures and tells, and the kernel.
type sources struct {
	ping   func(context.Context, status.PingRequest) (status.PingReport, error)
	state  func(context.Context) (status.Report, error)
	kernel func(context.Context) (status.Report, []error)
}

// report asks the daemon or, where it does not answer, the kernel. It says on stderr what it could not read.
func (s sources) report(ctx context.Context, stderr io.Writer) status.Report {
	r, err := s.state(ctx)
	if err == nil {
		return r
	}
	return s.withoutDaemon(ctx, err, stderr)
}

// withoutDaemon asks the kernel; err says why the daemon told nothing.
func (s sources) withoutDaemon(ctx context.Context, err error, stderr io.Writer) status.Report {
	lines := view.NewLines(stderr)
	lines.Add("the daemon does not answer (%v): reading the kernel, which takes some seconds", err)
	r, errs := s.kernel(ctx)
	for _, err := range errs {
		lines.Add("%v", err)
	}
	return r
}

// askDaemon returns what the daemon behind the socket tells of its node.
func askDaemon(ctx context.Context, socket string) (r status.Report, err error) {
	err = askSocket(ctx, socket, "/v1/state", &r)
	if err == nil && r.APIVersion != status.APIVersion {
		err = fmt.Errorf("ask the daemon: it answers in version %q, want %q", r.APIVersion, status.APIVersion)
	}
	return r, err
}

// askSocket decodes what the daemon behind the socket answers at a path.
func askSocket(ctx context.Context, socket, path string, into any) error {
	ctx, cancel := context.WithTimeout(ctx, reportTimeout)
	defer cancel()
	return requestSocket(ctx, socket, http.MethodGet, path, nil, into)
}

// answerError is what the daemon answers where it does not do what it was asked.
type answerError struct {
	code int
	text string
}

// Error implements error.
func (e answerError) Error() string { return e.text }

// requestSocket sends a request to the daemon behind the socket, and decodes its answer. The error wraps an answerError
// if the answer is one.
func requestSocket(ctx context.Context, socket, method, path string, body []byte, into any) error {
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", socket)
	}}
	defer transport.CloseIdleConnections()
	request, err := http.NewRequestWithContext(ctx, method, "http://warren"+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	response, err := (&http.Client{Transport: transport}).Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(response.Body, mostRefusal))
		return answerError{response.StatusCode,
			fmt.Sprintf("ask the daemon: it answers %s: %s", response.Status, strings.TrimSpace(string(text)))}
	}
	return json.NewDecoder(io.LimitReader(response.Body, mostReport)).Decode(into)
}

// sampling is how long the kernel is watched where no daemon was: a device tries a handshake anew every five seconds
// (Rekey-Timeout of the WireGuard paper), so the bytes sent to a peer that is asked and does not answer grow meanwhile.
const sampling = 6 * time.Second

// askKernel returns what the device and the guard tell, without a daemon. What cannot be read is absent, and err says
// why.
func askKernel(ctx context.Context, link string) (r status.Report, errs []error) {
	r = status.Report{APIVersion: status.APIVersion, Kind: status.ReportKind, Source: status.SourceKernel}
	packets, err := linux.ReadGuard(ctx)
	if err != nil {
		errs = append(errs, fmt.Errorf("read the guard: %w", err))
	}
	r.GuardPackets = packets
	// Without the interface there is no device either, which says so.
	if i, err := net.InterfaceByName(link); err == nil {
		r.MTU = i.MTU
	}
	reading, err := readTwice(ctx, func() ([]mesh.Peer, []mesh.PeerStatus, error) { return linux.ReadPeers(link) })
	if err != nil {
		return r, append(errs, err)
	}
	r.ObservedAt, r.Peers = reading.At, reading.Peers()
	return r, errs
}

// readTwice reads the device, and again after a while if a peer has no session: only that tells which are asked.
func readTwice(
	ctx context.Context, read func() ([]mesh.Peer, []mesh.PeerStatus, error),
) (r status.Reading, err error) {
	for {
		if r.Wanted, r.Statuses, err = read(); err != nil {
			return r, err
		}
		again := !r.At.IsZero()
		r.At = time.Now()
		r.Traffic = r.Traffic.Next(r.Statuses, r.At)
		if again || r.Count()[mesh.PeerIdle] == 0 {
			return r, nil
		}
		select {
		case <-ctx.Done():
			return r, ctx.Err()
		case <-time.After(sampling):
		}
	}
}
