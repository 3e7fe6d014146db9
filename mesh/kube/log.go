package kube

import (
	"context"
	"log/slog"

	"k8s.io/klog/v2"
)

// LogTo routes client-go's log into logger, all of it at debug level. What matters to an operator is in Waiting and in
// returned errors, where it is said once; client-go repeats it with every retry. Call LogTo once, before New.
func LogTo(logger *slog.Logger) { klog.SetSlogLogger(slog.New(quiet{logger.Handler()})) }

// quiet is a handler that lowers every record to debug level.
type quiet struct{ slog.Handler }

func (q quiet) Enabled(ctx context.Context, level slog.Level) bool {
	return q.Handler.Enabled(ctx, min(level, slog.LevelDebug))
}

// Handle asks Enabled once more, because klog passes errors on without asking.
func (q quiet) Handle(ctx context.Context, record slog.Record) error {
	record.Level = min(record.Level, slog.LevelDebug)
	if !q.Enabled(ctx, record.Level) {
		return nil
	}
	return q.Handler.Handle(ctx, record)
}

func (q quiet) WithAttrs(attrs []slog.Attr) slog.Handler { return quiet{q.Handler.WithAttrs(attrs)} }

func (q quiet) WithGroup(name string) slog.Handler { return quiet{q.Handler.WithGroup(name)} }
