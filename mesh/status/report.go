package status

import "time"

// APIVersion is the version of the documents that warren's commands write and read. Fields are added within a version;
// none changes its meaning.
const APIVersion = "warren.mesh/v1"

// AnswerTimeout is how long kubectl warren waits for a node's answer, if it is not told otherwise. The way to the node
// is part of that.
const AnswerTimeout = 20 * time.Second

// Source says where a value was read.
type Source string

// The sources, from the nearest to the farthest from what carries packets.
const (
	// SourceKernel is the node's own device, tables and routes.
	SourceKernel Source = "kernel"
	// SourceDaemon is the daemon's memory.
	SourceDaemon Source = "daemon"
	// SourceAPI is the API server.
	SourceAPI Source = "api"
)

// Report is what one node tells of itself, as JSON. What was not read is absent: it is not known, and so not well.
type Report struct {
	APIVersion string    `json:"apiVersion"`
	Kind       string    `json:"kind"`
	Source     Source    `json:"source"`
	ObservedAt time.Time `json:"observedAt"`
	// Status is the daemon's own view; absent where the daemon does not answer.
	Status *Snapshot `json:"status,omitempty"`
	// MTU is the mesh's, in bytes; absent where the interface was not read.
	MTU int `json:"mtu,omitempty"`
	// Peers are absent where the device was not read.
	Peers []Peer `json:"peers,omitempty"`
	// Unasked says why peers were not asked for this report, or not all of them; absent where nobody wanted that.
	Unasked string `json:"unasked,omitempty"`
	// GuardPackets are the guard's counters by name, in packets; absent where they could not be read.
	GuardPackets map[string]uint64 `json:"guardPackets,omitempty"`
	// GuardGrowth is by how much they have grown of late; absent where nobody has watched them for a minute.
	GuardGrowth *GuardGrowth `json:"guardGrowth,omitempty"`
}

// GuardGrowth is by how much the guard's counters have grown.
type GuardGrowth struct {
	// Seconds is how long they were watched: some ten minutes, or less after the daemon's start.
	Seconds int `json:"seconds"`
	// Packets are what was counted meanwhile, by the counter's name.
	Packets map[string]uint64 `json:"packets"`
}

// ReportKind is Report's kind.
const ReportKind = "NodeReport"

// NotDropped is the one counter of the guard that counts what was not dropped.
const NotDropped = "masqueraded-into-mesh"
