// Package guest is what a virtual machine's host and its init agree upon: what to run, and how the outcome is told.
package guest

import "time"

// PlanFile is where a Plan lies in the guest, in JSON.
const PlanFile = "/plan.json"

// Plan is what init does before it powers the machine off.
type Plan struct {
	// Modules are the files to load, in this order.
	Modules []string
	// Sysctls are written to /proc/sys, by path below it.
	Sysctls map[string]string
	// Env is the environment of all tests, as os.Environ has it.
	Env []string
	// Tests run one after the other, whatever becomes of those before.
	Tests []Test
}

// Test is one test binary.
type Test struct {
	// Package is its import path.
	Package string
	// Program is the binary, Dir its working directory.
	Program, Dir string
	Args         []string
	// Timeout bounds it from outside; 0 means no bound but the host's.
	Timeout time.Duration
}

// Port is the guest's serial port for the outcome. The kernel and init itself write to the first one, so that nothing
// they say comes between a test's lines.
const Port = "/dev/ttyS1"

// Lines of the outcome. Between Begin and End of a package stands what its binary printed; Done comes last, once init
// has nothing left to do. A line that is none of these and outside a package is of no meaning.
const (
	// Begin is followed by a space and the package.
	Begin = "@@vm begin"
	// End is followed by the package and what is wrong, or "ok".
	End  = "@@vm end"
	Done = "@@vm done"
	// OK is what End says of a test binary that exited with 0.
	OK = "ok"
)
