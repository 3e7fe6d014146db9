package events

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"warren.mesh/mesh/status"
)

// Seen is what a daemon knows when it looks for something to tell.
type Seen struct {
	Status status.Snapshot
	// Changed says that the daemon has changed the host since its start.
	Changed bool
	// Keys counts, since the start, how often a public key was announced in the place of another, and Key is what was
	// announced last so, in base64.
	Keys uint64
	Key  string
	// Devices counts, since the start, how often the device was configured anew.
	Devices uint64
	// Drops are the guard's counters of what it dropped, by name, in packets; nil where they were not read.
	Drops map[string]uint64
}

// holds returns what is to be told now if it has not been told. baseline are the counters of which all is told.
func (s Seen) holds(baseline map[string]uint64, now time.Time) map[Reason]Event {
	all := map[Reason]Event{}
	add := func(r Reason, key, note string) {
		if key != "" {
			all[r] = event(r, key, note)
		}
	}
	own := s.Status
	if len(own.Unready()) == 0 {
		add(MeshReady, "ready", fmt.Sprintf("node %s is in the mesh, with %d peers and the %s's WireGuard", own.Node,
			own.Peers.Programmed, own.Daemon.Backend))
	}
	for reason, state := range map[Reason]status.State{Waiting: status.Waiting, Failing: status.Failing} {
		steps, notes := undone(own.AllConditions(), state, now)
		add(reason, steps, notes)
	}
	if c, ok := own.Conditions.Of(status.StepRival); ok && c.State == status.Failing {
		add(ForeignCNI, c.Reason, c.Reason)
	}
	problems := leftOut(own)
	add(LeftOut, problems, problems)
	if s.Keys > 0 {
		add(KeyChanged, strconv.FormatUint(s.Keys, 10), "the node announces another public key: "+s.Key)
	}
	if s.Devices > 0 {
		add(DeviceReplaced, strconv.FormatUint(s.Devices, 10),
			"the WireGuard device had lost its key: it was configured anew, and its sessions begin anew")
	}
	drops := growth(baseline, s.Drops)
	add(GuardDropped, drops, drops)
	return all
}

// undone returns which steps have been in a state for Patience, and why. The rival configuration has a reason of its
// own.
func undone(conditions status.Conditions, state status.State, now time.Time) (steps, notes string) {
	var names, texts []string
	for _, c := range conditions {
		if c.State == state && c.Step != status.StepRival && now.Sub(c.Since) >= Patience {
			names, texts = append(names, string(c.Step)), append(texts, c.String())
		}
	}
	return strings.Join(names, ", "), strings.Join(texts, "; ")
}

// leftOut says what is wrong with the own Node.
func leftOut(s status.Snapshot) string {
	var all []string
	for _, p := range s.Problems {
		if p.Node == s.Node {
			all = append(all, string(p.Field)+": "+p.Reason)
		}
	}
	return strings.Join(all, "; ")
}

// growth says which counters have grown, and by how much; empty if none has.
func growth(was, now map[string]uint64) string {
	var all []string
	for _, name := range slices.Sorted(maps.Keys(now)) {
		if name != status.NotDropped && now[name] > was[name] {
			all = append(all, fmt.Sprintf("%s %d", name, now[name]-was[name]))
		}
	}
	if len(all) == 0 {
		return ""
	}
	return "the guard dropped packets that would have been in plain text, by counter: " + strings.Join(all, ", ")
}

// baseline returns the counters of which all is told: those of before, or at first those of now. One that was higher
// begins anew, because its table has been made anew.
func baseline(was, now map[string]uint64) map[string]uint64 {
	switch {
	case was == nil:
		return now
	case now == nil:
		return was
	}
	next := make(map[string]uint64, len(was))
	for name, n := range was {
		if now[name] >= n {
			next[name] = n
		}
	}
	return next
}
