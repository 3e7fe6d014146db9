package main

import (
	"fmt"
	"log/slog"
	"os"

	"github.com/spf13/pflag"

	"warren.mesh/mesh/kube"
)

// logging configures the log of all subcommands, which goes to standard error.
type logging struct {
	level  slog.Level
	format string
}

func (l *logging) addFlags(flags *pflag.FlagSet) {
	flags.TextVar(&l.level, "log-level", slog.LevelInfo, "lowest level to log: debug, info, warn or error")
	flags.StringVar(&l.format, "log-format", "text", "format of the log: text or json")
}

// logger returns the logger of this process, and has client-go log to it.
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
