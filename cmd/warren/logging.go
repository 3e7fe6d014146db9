package main

import (
	"fmt"
	"log/slog"
	"os"

	"github.com/spf13/pflag"

	"warren.mesh/mesh/kube"
)

// logging is how all subcommands log: to standard error.
type logging struct {
	level  slog.Level
	format string
}

func (l *logging) addFlags(flags *pflag.FlagSet) {
	flags.TextVar(&l.level, "log-level", slog.LevelInfo, "debug, info, warn or error")
	flags.StringVar(&l.format, "log-format", "text", "text or json")
}

// logger makes the process's logger, and client-go's.
func (l *logging) logger() (*slog.Logger, error) {
	options := &slog.HandlerOptions{Level: l.level}
	var handler slog.Handler
	switch l.format {
	case "text":
		handler = slog.NewTextHandler(os.Stderr, options)
	case "json":
		handler = slog.NewJSONHandler(os.Stderr, options)
	default:
		return nil, fmt.Errorf("log format %q: want text or json", l.format)
	}
	logger := slog.New(handler)
	kube.LogTo(logger)
	return logger, nil
}
