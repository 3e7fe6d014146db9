package main

import (
	"context"
	"io"
	"time"

	"github.com/spf13/pflag"

	"warren.mesh/mesh/status"
	"warren.mesh/mesh/view"
)

// asked is how long the daemon may take to ask the peers once, of the 20 s that kubectl warren waits by default for
// an answer: then it tells of those that it has asked. patience is what its answer may take beside that.
const (
	asked    = 8 * time.Second
	patience = 2 * time.Second
)

// addAskFlag adds the flag of commands that may have the daemon ask the peers before.
func (l *look) addAskFlag(flags *pflag.FlagSet) {
	flags.BoolVar(&l.ask, "ask", false, "have the daemon ask every peer once before, for the peers' field asked")
}

// askingReport is report after the daemon has asked all peers once, if that is wanted.
func (l *look) askingReport(ctx context.Context, stderr io.Writer) status.Report {
	if !l.ask {
		return l.report(ctx, stderr)
	}
	answers, unasked := l.askPeers(ctx)
	r := l.report(ctx, stderr)
	for i, p := range r.Peers {
		if m, known := answers[p.Node]; known {
			r.Peers[i].Asked = &m
		}
	}
	if r.Unasked = unasked; unasked != "" {
		view.NewLines(stderr).Add("not all peers were asked: %s", unasked)
	}
	return r
}

// askPeers has the daemon ask all peers once, and returns what was measured, by Node, and why some were not asked.
func (l *look) askPeers(ctx context.Context) (answers map[string]status.Measurement, unasked string) {
	ctx, cancel := context.WithTimeout(ctx, asked+patience)
	defer cancel()
	r, err := askPing(ctx, stateSocket(l.attachments), status.PingRequest{
		Count: 1, SkipPathMTU: true, Seconds: int(asked / time.Second),
	})
	if err != nil {
		return nil, err.Error()
	}
	answers = map[string]status.Measurement{}
	var reasons []string
	for _, p := range r.Peers {
		if p.Sent > 0 {
			answers[p.Node] = p.Measurement
		} else {
			reasons = append(reasons, p.Node+": "+p.Reason)
		}
	}
	return answers, view.First(reasons, "; ")
}
