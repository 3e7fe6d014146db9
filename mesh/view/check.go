package view

import "slices"

// Result is how a check went.
type Result string

// The results. What could not be read is Unknown, and never OK.
const (
	OK      Result = "ok"
	Warn    Result = "warn"
	Fail    Result = "FAIL"
	Unknown Result = "unknown"
)

// Check is one thing that was looked at.
type Check struct {
	// Name says what was looked at, in a word or two.
	Name   string `json:"name"`
	Result Result `json:"result"`
	// Figure is what was counted, "40/41"; empty where nothing was.
	Figure string `json:"figure,omitempty"`
	// Detail says what is wrong and with whom; empty where all is well.
	Detail string `json:"detail,omitempty"`
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
