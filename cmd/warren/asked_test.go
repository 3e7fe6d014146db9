package main

import (
	"context"
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"warren.mesh/keys"
	"warren.mesh/mesh"
	"warren.mesh/mesh/status"
)

// idleDevice is a device with a peer to which nothing went, which is read twice.
func idleDevice() ([]mesh.Peer, []mesh.PeerStatus, error) {
	peer := keys.Public{1}
	return []mesh.Peer{{PublicKey: peer}}, []mesh.PeerStatus{{PublicKey: peer}}, nil
}

// A daemon that hangs, with any of its answers, leaves time for what the kernel tells: kubectl warren gives up on a
// node that tells nothing within its time, and needs some of that to reach the node.
func TestHangingDaemonLeavesTimeForTheKernel(t *testing.T) {
	hangs := func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
	for name, ping := range map[string]func(context.Context) error{
		"at once":                  hangs,
		"after the peers answered": func(context.Context) error { time.Sleep(asked); return nil },
		"after a refusal":          func(context.Context) error { return errors.New("no socket") },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				from := sources{
					ping: func(ctx context.Context, _ status.PingRequest) (r status.PingReport, err error) {
						return r, ping(ctx)
					},
					state: func(ctx context.Context) (r status.Report, err error) {
						ctx, cancel := context.WithTimeout(ctx, reportTimeout)
						defer cancel()
						return r, hangs(ctx)
					},
					kernel: func(ctx context.Context) (r status.Report, errs []error) {
						reading, err := readTwice(ctx, idleDevice)
						r.Peers = reading.Peers()
						return r, []error{err}
					},
				}
				began := time.Now()
				r, _, _ := from.askingReport(t.Context(), io.Discard)
				if took := time.Since(began); took > status.AnswerTimeout-overhead {
					t.Errorf("it takes %v of %v", took, status.AnswerTimeout)
				}
				if len(r.Peers) != 1 || r.Peers[0].State != mesh.PeerIdle {
					t.Errorf("the kernel tells %+v", r.Peers)
				}
			})
		})
	}
}
