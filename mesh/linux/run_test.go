package linux

import (
	"testing"

	"warren.mesh/test/lab/namespace"
)

// run runs commands, one a line, in the calling thread's namespace.
func run(t *testing.T, commands string) string {
	t.Helper()
	return namespace.Run(t, commands)
}
