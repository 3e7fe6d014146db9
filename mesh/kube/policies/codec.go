package policies

import (
	"bytes"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Codec returns the serializer but for Pods, which it decodes to *Pod, and lists of them, which it decodes to *PodList.
// In protobuf it reads what it needs and skips the rest: a Pod in full is twenty times as much memory.
func Codec(serializer runtime.NegotiatedSerializer) runtime.NegotiatedSerializer {
	return codec{serializer}
}

type codec struct{ runtime.NegotiatedSerializer }

// DecoderToVersion returns the serializer's decoder but for Pods.
func (c codec) DecoderToVersion(d runtime.Decoder, gv runtime.GroupVersioner) runtime.Decoder {
	return decoder{c.NegotiatedSerializer.DecoderToVersion(d, gv)}
}

type decoder struct{ runtime.Decoder }

// magic begins what the API server encodes in protobuf; a runtime.Unknown follows.
var magic = []byte("k8s\x00")

// Decode decodes Pods, lists of them, and all else as the serializer does.
func (d decoder) Decode(
	data []byte, defaults *schema.GroupVersionKind, into runtime.Object,
) (runtime.Object, *schema.GroupVersionKind, error) {
	if encoded, ok := bytes.CutPrefix(data, magic); ok {
		kind, raw, ok := envelope(encoded)
		gvk := corev1.SchemeGroupVersion.WithKind(kind)
		switch {
		case ok && kind == "Pod":
			p, err := decodePod(raw)
			if err != nil {
				return nil, nil, err
			}
			return p, &gvk, nil
		case ok && kind == "PodList":
			l, err := decodeList(raw)
			if err != nil {
				return nil, nil, err
			}
			return l, &gvk, nil
		}
	}
	object, gvk, err := d.Decoder.Decode(data, defaults, into)
	switch o := object.(type) {
	case *corev1.Pod:
		return podOf(o), gvk, err
	case *corev1.PodList:
		l := &PodList{ListMeta: o.ListMeta}
		for i := range o.Items {
			l.Items = append(l.Items, *podOf(&o.Items[i]))
		}
		return l, gvk, err
	}
	return object, gvk, err
}

// envelope reads a runtime.Unknown (k8s.io/apimachinery/pkg/runtime/generated.proto) of the core group's version 1; ok
// is false for all others, and for what is encoded once more.
func envelope(data []byte) (kind string, raw []byte, ok bool) {
	m := message{rest: data}
	var version string
	plain := true
	for m.next() {
		switch {
		case m.is(1, wireBytes):
			t := message{rest: m.bytes}
			for t.next() {
				switch {
				case t.is(1, wireBytes):
					version = string(t.bytes)
				case t.is(2, wireBytes):
					kind = string(t.bytes)
				}
			}
			m.broken = m.broken || t.broken
		case m.is(2, wireBytes):
			raw = m.bytes
		case m.is(3, wireBytes):
			plain = len(m.bytes) == 0
		}
	}
	return kind, raw, !m.broken && plain && version == corev1.SchemeGroupVersion.Version
}

// decodeList reads a PodList message.
func decodeList(data []byte) (*PodList, error) {
	l := &PodList{}
	m := message{rest: data}
	for m.next() {
		switch {
		case m.is(1, wireBytes):
			if err := l.ListMeta.Unmarshal(m.bytes); err != nil {
				return nil, err
			}
		case m.is(2, wireBytes):
			p, err := decodePod(m.bytes)
			if err != nil {
				return nil, err
			}
			l.Items = append(l.Items, *p)
		}
	}
	if m.broken {
		return nil, errWire
	}
	return l, nil
}
