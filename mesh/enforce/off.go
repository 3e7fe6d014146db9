package enforce

import (
	"context"
	"errors"
	"time"

	"warren.mesh/mesh/loop"
	"warren.mesh/mesh/status"
)

// TurnOff removes the tables and the records that an Enforcer has left, for a node that keeps no policies any more. It
// needs Host, Records and Status of cfg, tries again after failures, and returns when it is done or ctx ends.
func TurnOff(ctx context.Context, cfg Config) {
	retry := loop.Backoff{First: 250 * time.Millisecond, Most: 30 * time.Second, Jitter: true}
	for ctx.Err() == nil {
		err := errors.Join(cfg.Host.RemoveTables(ctx), forget(cfg.Records))
		cfg.Status.Update(func(s status.Snapshot) status.Snapshot {
			s.Enforcement = s.Enforcement.Report(stepTables, err, time.Now())
			return s
		})
		if err == nil || !loop.Sleep(ctx, retry.Next()) {
			return
		}
	}
}

// forget deletes all records: without a gate nobody would keep them right.
func forget(records Records) error {
	attachments, problems := records.Load()
	errs := problems
	for _, a := range attachments {
		errs = append(errs, records.Delete(a.Container, a.Interface))
	}
	return errors.Join(errs...)
}
