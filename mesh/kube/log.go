package kube

import (
	"context"
	"log/slog"

	"k8s.io/klog/v2"
)

// LogTo routes what client-go logs into logger, all of it at debug level: what of it matters to an operator is in
// Waiting and in returned errors, to be said once, while client-go says it again with every retry. Call it once, before
// New.
func LogTo(logger *slog.Logger) { klog.SetSlogLogger(slog.New(quiet{logger.Handler()})) }

// quiet lowers every record to debug.
type quiet struct{ slog.Handler }

func (q quiet) Enabled(ctx context.Context, level slog.Level) bool {
	return q.Handler.Enabled(ctx, min(level, slog.LevelDebug))
}

// Handle asks Enabled once more: klog hands errors over without asking, since its own logs always show them.
func (q quiet) Handle(ctx context.Context, record slog.Record) error {
	record.Level = min(record.Level, slog.LevelDebug)
	if !q.Enabled(ctx, record.Level) {
		return nil
	}
	return q.Handler.Handle(ctx, record)
}

func (q quiet) WithAttrs(attrs []slog.Attr) slog.Handler { return quiet{q.Handler.WithAttrs(attrs)} }

func (q quiet) WithGroup(name string) slog.Handler { return quiet{q.Handler.WithGroup(name)} }
