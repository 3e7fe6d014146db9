// Package events owns which Events a daemon tells about its own Node, and when. It decides from values and reads no
// clock. How an Event gets to the API server is the caller's.
package events

import (
	"errors"
	"slices"
	"time"
	"unicode/utf8"
)

// ErrRefused means that the API server does not want the Event, now or later.
var ErrRefused = errors.New("the Event is refused")

// Reason is an Event's reason: what has happened, in one word. Its runbook has the same name.
type Reason string

// The reasons. The admission policy warren-events allows no others.
const (
	// MeshReady means that the node has become part of the mesh.
	MeshReady Reason = "MeshReady"
	// Waiting means that a step has waited for others for Patience.
	Waiting Reason = "Waiting"
	// Failing means that a step has failed for Patience, whatever was tried.
	Failing Reason = "Failing"
	// LeftOut means that others leave out the node, or a part of what it announces.
	LeftOut Reason = "LeftOut"
	// ForeignCNI means that the container runtime uses another CNI configuration.
	ForeignCNI Reason = "ForeignCNI"
	// KeyChanged means that the node announces another public key than before.
	KeyChanged Reason = "KeyChanged"
	// DeviceReplaced means that the WireGuard device was found without its key, and configured anew.
	DeviceReplaced Reason = "DeviceReplaced"
	// GuardDropped means that the guard has dropped packets.
	GuardDropped Reason = "GuardDropped"
)

var reasons = []Reason{
	MeshReady, Waiting, Failing, LeftOut, ForeignCNI, KeyChanged, DeviceReplaced, GuardDropped,
}

// Reasons returns all reasons.
func Reasons() []Reason { return slices.Clone(reasons) }

// Normal reports whether an Event with this reason asks nobody to do anything.
func (r Reason) Normal() bool { return r == MeshReady || r == KeyChanged }

const (
	// Quiet is the least time between two Events of one reason.
	Quiet = 10 * time.Minute
	// Patience is how long a step waits or fails before an Event tells of it. Each daemon waits at its start.
	Patience = 30 * time.Second
	// MaxNote is the length of the longest note, in bytes. The group events.k8s.io takes 1,024.
	MaxNote = 1000
)

// Event is one thing to tell about the own Node.
type Event struct {
	Reason Reason
	// Note says what has happened, for people, in at most MaxNote bytes.
	Note string
	// At is when it was due.
	At time.Time
	// key tells what has happened from what had happened before.
	key string
}

// Log is what has been told since the daemon started. It is never changed: the methods return others. The zero value
// has told nothing.
type Log struct {
	told map[Reason]entry
	// drops are the guard's counters at the last Event that told of them, or at the first Look.
	drops map[string]uint64
}

// entry is the last Event of a reason. Its key is empty once what it told is over.
type entry struct {
	key string
	at  time.Time
}

// Look returns the Events that are due, in the order of Reasons, and the Log that knows what is over. An Event is due
// if what it tells was not told last of its reason, and Quiet has passed since then. Who tells it calls Told; else it
// is due again at the next Look, if it still holds.
//
// A daemon that starts on a node that is in the mesh has nothing to tell. A node that was not ready for a moment, of
// which nothing else tells, has not become ready again.
func (l Log) Look(s Seen, now time.Time) (Log, []Event) {
	next := Log{told: map[Reason]entry{}, drops: baseline(l.drops, s.Drops)}
	holds := s.holds(next.drops, now)
	if ready, is := holds[MeshReady]; is && len(l.told) == 0 && !s.Changed {
		next.told[MeshReady] = entry{key: ready.key}
	}
	var due []Event
	for _, reason := range reasons {
		last, told := l.told[reason]
		if !told {
			last, told = next.told[reason]
		}
		e, is := holds[reason]
		switch {
		case is && e.key != last.key && (!told || now.Sub(last.at) >= Quiet):
			e.At = now
			due = append(due, e)
		case !is && (reason != MeshReady || len(holds) > 0):
			last.key = ""
		}
		if told {
			next.told[reason] = last
		}
	}
	return next, due
}

// Told returns the Log after an Event was told at a time, or was refused. s is what was seen when the Event was due.
func (l Log) Told(e Event, s Seen, now time.Time) Log {
	next := Log{told: map[Reason]entry{e.Reason: {key: e.key, at: now}}, drops: l.drops}
	for reason, last := range l.told {
		if reason != e.Reason {
			next.told[reason] = last
		}
	}
	if e.Reason == GuardDropped {
		next.drops = s.Drops
	}
	return next
}

// event returns an Event with a note that is short enough.
func event(r Reason, key, note string) Event {
	if len(note) > MaxNote {
		const more = "…"
		end := MaxNote - len(more)
		for !utf8.RuneStart(note[end]) {
			end--
		}
		note = note[:end] + more
	}
	return Event{Reason: r, Note: note, key: key}
}
