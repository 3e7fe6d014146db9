package main

import (
	"context"
	"io"
	"time"

	"github.com/spf13/pflag"

	"warren.mesh/mesh/status"
	"warren.mesh/mesh/view"
)

// status.AnswerTimeout has three parts. overhead is for the way to the node and for what doctor reads by itself.
// sampling is for reading the kernel of a node whose daemon does not answer. daemonShare is the rest, in which the
// daemon asks the peers and tells its state.
const (
	overhead    = 3 * time.Second
	daemonShare = status.AnswerTimeout - overhead - sampling
)

// asked is how long the daemon may take, of its share, to ask the peers once: then it tells of those that it has asked.
// patience is what its answer may take beside that.
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
	from := l.sources()
	if !l.ask {
		return from.report(ctx, stderr)
	}
	r, answers, unasked := from.askingReport(ctx, stderr)
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

// askingReport is report after askPeers, both within the daemon's share.
func (s sources) askingReport(
	ctx context.Context, stderr io.Writer,
) (r status.Report, answers map[string]status.Measurement, unasked string) {
	share, cancel := context.WithTimeout(ctx, daemonShare)
	defer cancel()
	answers, unasked = s.askPeers(share)
	r, err := s.state(share)
	if err != nil {
		r = s.withoutDaemon(ctx, err, stderr)
	}
	return r, answers, unasked
}

// askPeers has the daemon ask all peers once, and returns what was measured, by Node, and why some were not asked.
func (s sources) askPeers(ctx context.Context) (answers map[string]status.Measurement, unasked string) {
	ctx, cancel := context.WithTimeout(ctx, asked+patience)
	defer cancel()
	r, err := s.ping(ctx, status.PingRequest{Count: 1, SkipPathMTU: true, Seconds: int(asked / time.Second)})
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
