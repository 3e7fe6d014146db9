package lab

import (
	"errors"
	"os"
	"path/filepath"

	"warren.mesh/test/lab/host"
	"warren.mesh/test/lab/machine"
)

// end is Close as a test's last act.
func (l *Lab) end(t TB) {
	t.Helper()
	if l.options.Keep && !t.Failed() {
		if err := l.keep(); err != nil {
			t.Errorf("keep lab %s: %v", l.options.Name, err)
		}
		return
	}
	if err := l.stop(); err != nil {
		t.Errorf("close lab %s: %v", l.options.Name, err)
	}
	if t.Failed() {
		t.Logf("the lab's logs are in %s", filepath.Join(l.Dir, "logs"))
		return
	}
	if err := os.RemoveAll(l.Dir); err != nil {
		t.Errorf("close lab %s: %v", l.options.Name, err)
	}
}

// Close ends every process of the lab and removes what it left. It may be called twice.
func (l *Lab) Close() error { return errors.Join(l.stop(), os.RemoveAll(l.Dir)) }

// stop ends everything and keeps the files, but for the record of the machines: who starts a lab of that name later
// need not look for them.
func (l *Lab) stop() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pacer.Stop()
	for _, c := range l.captures {
		c.Stop()
	}
	l.captures = nil
	for _, h := range l.hosts() {
		h.Leave()
	}
	var errs []error
	for _, m := range l.machines() {
		errs = append(errs, m.Kill())
	}
	errs = append(errs, machine.RemoveCgroups(machine.Cgroup(l.options.Name, "*")))
	l.control, l.outside, l.nodes = nil, nil, nil
	if err := errors.Join(errs...); err != nil {
		return err
	}
	return forget(l.options.Name)
}

// keep makes all machines outlive this process.
func (l *Lab) keep() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	var errs []error
	for _, m := range l.machines() {
		errs = append(errs, m.Keep())
	}
	return errors.Join(errs...)
}

// machines are those that run, by name; l.mu is held.
func (l *Lab) machines() map[string]*machine.Machine {
	all := map[string]*machine.Machine{}
	for _, n := range l.nodes {
		all[n.Name] = n.machine
	}
	if l.control != nil {
		all["control"] = l.control
	}
	if l.outside != nil {
		all["outside"] = l.outside
	}
	return all
}

// hosts are all that there are; l.mu is held.
func (l *Lab) hosts() []*host.Host {
	var hosts []*host.Host
	for _, n := range l.nodes {
		hosts = append(hosts, n.Host)
		for _, p := range n.pods {
			hosts = append(hosts, p.Host)
		}
	}
	for _, h := range []*host.Host{l.Outside, l.Control} {
		if h != nil {
			hosts = append(hosts, h)
		}
	}
	return hosts
}
