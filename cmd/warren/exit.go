package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"warren.mesh/mesh/view"
)

// exitError is an error for which all that there is to say has been said. Its value is the exit status.
type exitError int

// Error implements error.
func (s exitError) Error() string { return fmt.Sprintf("exit status %d", int(s)) }

// errUsage is wrapped by errors about how a command was called.
var errUsage = errors.New("wrong usage")

// usage wraps an error about how a command was called; nil stays nil.
func usage(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: %w", errUsage, err)
}

// noArgs refuses arguments, and commands that there are not.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return usage(fmt.Errorf("unknown command %q for %q: see %s --help", args[0], cmd.CommandPath(), cmd.CommandPath()))
}

// exitCode returns the exit status for a command's error, and whether the error is yet to be told.
func exitCode(err error) (code int, tell bool) {
	var status exitError
	switch {
	case err == nil:
		return view.ExitWell, false
	case errors.As(err, &status):
		return int(status), false
	case errors.Is(err, errUsage):
		return view.ExitUsage, true
	default:
		return view.ExitFinding, true
	}
}
