package policies

import (
	"cmp"
	"encoding/binary"
	"errors"
	"net/netip"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"warren.mesh/mesh/policy"
)

// errWire says that bytes are no protobuf message, or not that of the type.
var errWire = errors.New("the encoding of a Pod cannot be read")

// message reads the fields of a protobuf message in their order (https://protobuf.dev/programming-guides/encoding).
// Nothing is copied.
type message struct {
	rest []byte
	// number is the field's number, kind its wire type.
	number, kind uint64
	// bytes is the content of a string or message, value that of a number.
	bytes []byte
	value uint64
	// broken says that the rest cannot be read.
	broken bool
}

// Wire types.
const (
	wireVarint = 0
	wire64     = 1
	wireBytes  = 2
	wire32     = 5
)

// next reads a field; it returns false at the end, and where the rest cannot be read.
func (m *message) next() bool {
	if len(m.rest) == 0 || m.broken {
		return false
	}
	tag := m.varint()
	m.number, m.kind = tag>>3, tag&7
	m.bytes, m.value = nil, 0
	switch m.kind {
	case wireVarint:
		m.value = m.varint()
	case wire64:
		m.take(8)
	case wire32:
		m.take(4)
	case wireBytes:
		m.bytes = m.take(m.varint())
	default:
		m.broken = true
	}
	return !m.broken
}

func (m *message) varint() uint64 {
	v, n := binary.Uvarint(m.rest)
	if n <= 0 {
		m.broken = true
		return 0
	}
	m.rest = m.rest[n:]
	return v
}

func (m *message) take(n uint64) []byte {
	if n > uint64(len(m.rest)) {
		m.broken = true
		return nil
	}
	taken := m.rest[:n]
	m.rest = m.rest[n:]
	return taken
}

// is reports whether the field has this number. One of that number and another wire type breaks the message.
func (m *message) is(number, kind uint64) bool {
	if m.number != number {
		return false
	}
	m.broken = m.broken || m.kind != kind
	return m.kind == kind
}

// wirePod is what is read of a Pod message of k8s.io/api/core/v1/generated.proto, where the numbers come from.
type wirePod struct {
	names
	pod         policy.Pod
	labels      map[string]string
	hostNetwork bool
	// static is the UID of the static pod that this is the mirror of.
	static  string
	phase   string
	firstIP string
	ips     bool
	// sidecars are the ports of init containers that go on running, which come before the others.
	sidecars []policy.NamedPort
}

// decodePod reads a Pod message.
func decodePod(data []byte) (*Pod, error) {
	var w wirePod
	for m := (message{rest: data}); ; {
		if !m.next() {
			if m.broken {
				return nil, errWire
			}
			return w.finish(), nil
		}
		ok := true
		switch {
		case m.is(1, wireBytes):
			ok = w.metadata(m.bytes)
		case m.is(2, wireBytes):
			ok = w.spec(m.bytes)
		case m.is(3, wireBytes):
			ok = w.status(m.bytes)
		}
		if !ok || m.broken {
			return nil, errWire
		}
	}
}

func (w *wirePod) finish() *Pod {
	w.pod.Labels = policy.NewLabels(w.labels)
	w.pod.UID = cmp.Or(w.static, w.pod.UID)
	if !w.ips {
		w.pod.Addrs = addAddress(w.pod.Addrs, w.firstIP)
	}
	w.pod.Ports = append(w.sidecars, w.pod.Ports...)
	return named(w.names, w.pod, w.hostNetwork || completed(w.phase))
}

// metadata reads an ObjectMeta (k8s.io/apimachinery/pkg/apis/meta/v1/generated.proto).
func (w *wirePod) metadata(data []byte) bool {
	m := message{rest: data}
	for m.next() {
		switch {
		case m.is(1, wireBytes):
			w.name = string(m.bytes)
		case m.is(3, wireBytes):
			w.namespace = string(m.bytes)
		case m.is(5, wireBytes):
			w.pod.UID = string(m.bytes)
		case m.is(6, wireBytes):
			w.version = string(m.bytes)
		case m.is(11, wireBytes):
			key, value, ok := entry(m.bytes)
			if !ok {
				return false
			}
			if w.labels == nil {
				w.labels = map[string]string{}
			}
			w.labels[string(key)] = string(value)
		case m.is(12, wireBytes):
			key, value, ok := entry(m.bytes)
			if !ok {
				return false
			}
			switch string(key) {
			case metav1.InitialEventsAnnotationKey:
				w.end = string(value)
			case corev1.MirrorPodAnnotationKey:
				w.static = string(value)
			}
		}
	}
	return !m.broken
}

// entry reads an entry of a map of strings.
func entry(data []byte) (key, value []byte, ok bool) {
	m := message{rest: data}
	for m.next() {
		switch {
		case m.is(1, wireBytes):
			key = m.bytes
		case m.is(2, wireBytes):
			value = m.bytes
		}
	}
	return key, value, !m.broken
}

// spec reads a PodSpec.
func (w *wirePod) spec(data []byte) bool {
	m := message{rest: data}
	for m.next() {
		ok := true
		switch {
		case m.is(2, wireBytes):
			w.pod.Ports, ok = container(w.pod.Ports, m.bytes, false)
		case m.is(20, wireBytes):
			w.sidecars, ok = container(w.sidecars, m.bytes, true)
		case m.is(10, wireBytes):
			w.pod.Node = string(m.bytes)
		case m.is(11, wireVarint):
			w.hostNetwork = m.value != 0
		}
		if !ok {
			return false
		}
	}
	return !m.broken
}

// container reads a Container and adds its named ports; those of an init container only if it goes on running.
func container(all []policy.NamedPort, data []byte, initial bool) ([]policy.NamedPort, bool) {
	ports, counts := all, !initial
	m := message{rest: data}
	for m.next() {
		switch {
		case m.is(6, wireBytes):
			var ok bool
			if ports, ok = containerPort(ports, m.bytes); !ok {
				return all, false
			}
		case m.is(24, wireBytes):
			counts = counts || string(m.bytes) == string(corev1.ContainerRestartPolicyAlways)
		}
	}
	if !counts {
		ports = all
	}
	return ports, !m.broken
}

func containerPort(all []policy.NamedPort, data []byte) ([]policy.NamedPort, bool) {
	var name, proto string
	var number int32
	m := message{rest: data}
	for m.next() {
		switch {
		case m.is(1, wireBytes):
			name = string(m.bytes)
		case m.is(3, wireVarint):
			number = int32(m.value)
		case m.is(4, wireBytes):
			proto = string(m.bytes)
		}
	}
	return addPort(all, name, proto, number), !m.broken
}

// status reads a PodStatus.
func (w *wirePod) status(data []byte) bool {
	m := message{rest: data}
	for m.next() {
		switch {
		case m.is(1, wireBytes):
			w.phase = string(m.bytes)
		case m.is(6, wireBytes):
			w.firstIP = string(m.bytes)
		case m.is(12, wireBytes):
			w.ips = true
			var ok bool
			if w.pod.Addrs, ok = podIP(w.pod.Addrs, m.bytes); !ok {
				return false
			}
		}
	}
	return !m.broken
}

func podIP(all []netip.Addr, data []byte) ([]netip.Addr, bool) {
	var ip []byte
	m := message{rest: data}
	for m.next() {
		if m.is(1, wireBytes) {
			ip = m.bytes
		}
	}
	return addAddress(all, string(ip)), !m.broken
}
