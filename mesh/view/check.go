package view

import (
	"slices"
)

// Result is how a check went.
type Result string

// The results. What could not be read is Unknown, and never OK.
const (
	OK      Result = "ok"
	Warn    Result = "warn"
	Fail    Result = "FAIL"
	Unknown Result = "unknown"
)

// order is from the best result to the worst: what is known to be wrong is worse than what is not known.
var order = []Result{OK, Warn, Unknown, Fail}

// Worse reports whether r is a worse result than another.
func (r Result) Worse(than Result) bool { return slices.Index(order, r) > slices.Index(order, than) }

// Check is one thing that was looked at.
type Check struct {
	// ID is a doctor's, W07; empty for a check without one.
	ID string `json:"id,omitempty"`
	// Name says what was looked at, in a word or two.
	Name   string `json:"name"`
	Result Result `json:"result"`
	// Figure is what was counted, "40/41"; empty where nothing was.
	Figure string `json:"figure,omitempty"`
	// Detail says what is wrong and with whom; empty where all is well.
	Detail string `json:"detail,omitempty"`
	// Remedy says what to do, and Runbook where there is more, of a check that is not well.
	Remedy  string `json:"remedy,omitempty"`
	Runbook string `json:"runbook,omitempty"`
}

// The exit statuses of all commands that look at something. Usage errors are 2.
const (
	ExitWell    = 0
	ExitFinding = 1
	ExitUsage   = 2
	ExitUnknown = 3
)

// Exit returns the exit status: a finding before what could not be told. With strict, a warning is a finding.
func Exit(checks []Check, strict bool) int {
	has := func(r Result) bool { return slices.ContainsFunc(checks, func(c Check) bool { return c.Result == r }) }
	switch {
	case has(Fail), strict && has(Warn):
		return ExitFinding
	case has(Unknown):
		return ExitUnknown
	default:
		return ExitWell
	}
}

// NotWell returns the checks that are not OK.
func NotWell(checks []Check) []Check {
	return slices.DeleteFunc(slices.Clone(checks), func(c Check) bool { return c.Result == OK })
}

// writeChecks writes the checks as a table, with the IDs of those that have one, and below it what to do. No checks are
// what is left of some that are all well.
func writeChecks(lines *Lines, checks []Check) {
	if len(checks) == 0 {
		lines.Add("All checks are well.")
		return
	}
	var rows table
	for _, c := range checks {
		row := []string{" " + string(c.Result), c.Name, c.Figure, c.Detail}
		if c.ID != "" {
			row = slices.Insert(row, 1, c.ID)
		}
		rows = append(rows, row)
	}
	rows.writeTo(lines)
	for _, c := range checks {
		if c.Remedy != "" {
			lines.Add("%s: %s. See %s", c.ID, c.Remedy, c.Runbook)
		}
	}
}
