// Package tb is what the lab's packages need of a test: TB, and the one way to wait for something.
package tb

import "context"

// TB is what the lab needs of a *testing.T. The command lab has its own.
type TB interface {
	Helper()
	Name() string
	Context() context.Context
	Cleanup(func())
	Failed() bool
	Logf(format string, args ...any)
	Errorf(format string, args ...any)
	// Fatalf does not return.
	Fatalf(format string, args ...any)
}
