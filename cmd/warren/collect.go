package main

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"time"

	"warren.mesh/cni"
	"warren.mesh/mesh/linux"
)

const (
	// collectEvery is how often addresses are freed whose pods are gone; the first time is the daemon's start.
	collectEvery = time.Hour
	// collectAgain is how soon that is repeated if it was not possible, because a pod was being attached for example.
	collectAgain = 5 * time.Minute
)

// reserve reserves the addresses of running pods whose reservations are lost.
func (d *daemon) reserve(log *slog.Logger) error {
	reserved, err := d.attachments.Reserve()
	if len(reserved) > 0 {
		log.Warn("addresses of running pods were not reserved any more, and are again", "addresses", reserved)
	}
	return err
}

// collect frees the addresses of pods that are gone and reserves those of running pods, until ctx ends, and reports
// what keeps it from that.
func (d *daemon) collect(ctx context.Context, report func(error), log *slog.Logger) {
	collector := cni.Collector{
		Configuration: d.attachments, Plugin: d.hostLocal(),
		Ports: func() ([]string, error) { return linux.BridgePorts(d.attachments.Bridge) },
	}
	for {
		lost := d.reserve(log)
		freed, err := collector.Collect(ctx)
		err = errors.Join(lost, err)
		if len(freed) > 0 {
			log.Info("addresses are free again whose pods are gone", "addresses", freed)
		}
		wait := collectEvery
		if err != nil {
			wait = collectAgain
		}
		if ctx.Err() == nil {
			report(err)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
	}
}

// hostLocal returns the path of host-local: warren's own copy or, where there is none, the one that attaches pods.
func (d *daemon) hostLocal() string {
	dir := d.plugins.From
	if d.compared() == nil {
		dir = d.plugins.To
	}
	return filepath.Join(dir, "host-local")
}
