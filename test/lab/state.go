package lab

import (
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"warren.mesh/test/lab/machine"
	"warren.mesh/test/lab/namespace"
)

// state is what a later process needs to know of a lab: to enter it, or to end it.
type state struct {
	// Machines are the first processes of all machines, by name.
	Machines map[string]namespace.Identity
}

const stateFile = "lab.json"

// directory is where the lab of that name keeps its files.
func directory(name string) string { return filepath.Join(os.TempDir(), "warren-lab", name) }

var unfit = regexp.MustCompile(`[^a-z0-9]+`)

// complete fills in what was left open. Tests of different packages may have one name: their directory tells them
// apart.
func (o Options) complete(test string) Options {
	if o.Name == "" {
		wd, _ := os.Getwd()
		sum := fnv.New32a()
		sum.Write([]byte(wd))
		o.Name = fmt.Sprintf("%s-%08x", strings.Trim(unfit.ReplaceAllString(strings.ToLower(test), "-"), "-"),
			sum.Sum32())
	}
	if o.Nodes == 0 {
		o.Nodes = 3
	}
	if o.MTU == 0 {
		o.MTU = 1500
	}
	return o
}

// save records the lab's processes, whole or not at all.
func (l *Lab) save() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := state{Machines: map[string]namespace.Identity{}}
	for name, m := range l.machines() {
		s.Machines[name] = m.Identity
	}
	content, err := json.MarshalIndent(s, "", "\t")
	if err != nil {
		return err
	}
	path := filepath.Join(l.Dir, stateFile)
	if err := os.WriteFile(path+".new", content, 0o644); err != nil {
		return fmt.Errorf("record the lab's processes: %w", err)
	}
	return os.Rename(path+".new", path)
}

// load reads what save wrote. The error wraps fs.ErrNotExist where there is no such lab.
func load(name string) (state, error) {
	var s state
	content, err := os.ReadFile(filepath.Join(directory(name), stateFile))
	if err == nil {
		err = json.Unmarshal(content, &s)
	}
	if err != nil {
		return state{}, fmt.Errorf("find lab %s: %w", name, err)
	}
	return s, nil
}

// forget removes what save wrote. It succeeds where there is nothing.
func forget(name string) error {
	if err := os.Remove(filepath.Join(directory(name), stateFile)); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// Down ends the lab of that name, also another process's, and removes its files. It succeeds where there is none.
func Down(name string) error {
	s, err := load(name)
	if errors.Is(err, fs.ErrNotExist) {
		return os.RemoveAll(directory(name))
	}
	if err != nil {
		return err
	}
	for called, first := range s.Machines {
		if err := first.Kill(machine.KillTimeout); err != nil {
			return fmt.Errorf("end %s of lab %s: %w", called, name, err)
		}
	}
	if err := machine.RemoveCgroups(machine.Cgroup(name, "*")); err != nil {
		return fmt.Errorf("end lab %s: %w", name, err)
	}
	return os.RemoveAll(directory(name))
}

// Enter runs a command on a machine of a lab that runs, with this process's standard streams. The error wraps
// fs.ErrNotExist where there is no such lab or machine, and is an *exec.ExitError where the command failed.
func Enter(name, called string, args []string) error {
	s, err := load(name)
	if err != nil {
		return err
	}
	first, ok := s.Machines[called]
	if !ok || !first.Alive() {
		names := slices.Sorted(maps.Keys(s.Machines))
		return fmt.Errorf("lab %s has no %s now, its machines are %s: %w", name, called, strings.Join(names, ", "),
			fs.ErrNotExist)
	}
	set, err := namespace.Open(first.PID)
	if err != nil {
		return err
	}
	defer set.Close()
	c := exec.Command(args[0], args[1:]...)
	c.Stdin, c.Stdout, c.Stderr, c.Dir = os.Stdin, os.Stdout, os.Stderr, "/"
	if err := set.Start(c); err != nil {
		return err
	}
	return c.Wait()
}
