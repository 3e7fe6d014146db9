package main

import (
	"errors"
	"fmt"
)

// errUsage is wrapped by errors about how a command was called. Those that cobra finds before a command begins are
// about that too.
var errUsage = errors.New("wrong usage")

// usage wraps an error about how a command was called.
func usage(err error) error { return fmt.Errorf("%w: %w", errUsage, err) }
