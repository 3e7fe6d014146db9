// Command init is the first process of a test machine: it mounts, loads modules, runs the test binaries of its plan,
// tells what became of them on the second serial port, and powers off. Whatever goes wrong before is said on the
// console; the machine is powered off all the same, and the host misses the verdict.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"

	"golang.org/x/sys/unix"

	"warren.mesh/test/vm/guest"
)

func main() {
	if err := run(); err != nil {
		fmt.Println("init:", err)
	}
	unix.Sync()
	// It returns only if the kernel cannot, and a panic (of an init that ends) ends the machine too.
	fmt.Println("init: power off:", unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF))
}

func run() error {
	if err := mountAll(); err != nil {
		return err
	}
	out, err := openPort(guest.Port)
	if err != nil {
		return err
	}
	plan, err := readPlan()
	if err != nil {
		return err
	}
	fmt.Println("init: kernel", release(), "after", uptime())
	if err := prepare(plan); err != nil {
		return err
	}
	fmt.Println("init: modules loaded after", uptime())
	for _, t := range plan.Tests {
		if err := report(out, t, plan.Env); err != nil {
			return fmt.Errorf("write to %s: %w", guest.Port, err)
		}
	}
	_, err = fmt.Fprintln(out, guest.Done)
	return errors.Join(err, drain(out))
}

func readPlan() (guest.Plan, error) {
	var plan guest.Plan
	content, err := os.ReadFile(guest.PlanFile)
	if err == nil {
		err = json.Unmarshal(content, &plan)
	}
	if err != nil {
		return guest.Plan{}, fmt.Errorf("read the plan: %w", err)
	}
	return plan, nil
}

// report runs one test binary. The error is the port's; what is wrong with the test is told there.
func report(out io.Writer, t guest.Test, env []string) error {
	if _, err := fmt.Fprintln(out, guest.Begin, t.Package); err != nil {
		return err
	}
	verdict := guest.OK
	if err := test(out, t, env); err != nil {
		// A line is a line.
		verdict = strings.ReplaceAll(err.Error(), "\n", "; ")
	}
	// The last line of a test that was killed may not have ended.
	_, err := fmt.Fprintf(out, "\n%s %s %s\n", guest.End, t.Package, verdict)
	fmt.Println("init:", t.Package, verdict, "after", uptime())
	return err
}

func test(out io.Writer, t guest.Test, env []string) error {
	ctx := context.Background()
	if t.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, t.Timeout)
		defer cancel()
	}
	c := exec.CommandContext(ctx, t.Program, t.Args...)
	c.Dir, c.Env, c.Stdout, c.Stderr = t.Dir, env, out, out
	err := c.Run()
	return errors.Join(err, ctx.Err())
}
