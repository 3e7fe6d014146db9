package bundle_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"warren.mesh/mesh/bundle"
)

var now = time.Date(2026, 11, 28, 3, 0, 0, 0, time.UTC)

func TestWriteAndRead(t *testing.T) {
	files := []bundle.File{{"b/status.json", []byte("{}")}, {"a", nil}, {"b/routes.txt", []byte("10.0.0.0/8 dev eth0")}}
	var b bytes.Buffer
	if err := bundle.Write(&b, now, files); err != nil {
		t.Fatal(err)
	}
	got, err := bundle.Read(b.Bytes())
	want := []bundle.File{{"a", []byte{}}, files[2], files[0]}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	for _, broken := range [][]byte{nil, []byte("no archive"), b.Bytes()[:b.Len()/2]} {
		if _, err := bundle.Read(broken); err == nil {
			t.Errorf("%d bytes of an archive are one", len(broken))
		}
	}
}

// More than 200 MiB are refused: nothing is written, and nothing is read of an archive that claims to hold more.
func TestTooLarge(t *testing.T) {
	half := make([]byte, bundle.Most/2)
	files := []bundle.File{{"a", half}, {"b", half}, {"c", []byte("x")}}
	var b bytes.Buffer
	if err := bundle.Write(&b, now, files); !errors.Is(err, bundle.ErrTooLarge) || b.Len() > 0 {
		t.Errorf("%v, %d bytes written", err, b.Len())
	}
	compressed := gzip.NewWriter(&b)
	header := &tar.Header{Name: "a", Size: bundle.Most + 1, Typeflag: tar.TypeReg}
	if err := errors.Join(tar.NewWriter(compressed).WriteHeader(header), compressed.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := bundle.Read(b.Bytes()); !errors.Is(err, bundle.ErrTooLarge) {
		t.Error(err)
	}
}

// Each name and address is mapped to one, everywhere alike, and nothing else changes.
func TestRedact(t *testing.T) {
	r := bundle.NewRedactor([]string{"node-1", "node-10", "zone", "", "node-1"})
	for text, want := range map[string]string{
		`{"node":"node-1","zone":"eu"}`:                `{"node":"name-1","name-3":"eu"}`,
		"node-10 node-1: node-100 anode-1 node-1.":     "name-2 name-1: node-100 anode-1 name-1.",
		"10.244.1.0/24 via 10.244.1.0":                 "ipv4-1/24 via ipv4-1",
		"[fd00::1]:51820 fd00:0::1 fd00::2/64":         "[ipv6-1]:51820 ipv6-1 ipv6-2/64",
		"127.0.0.1 ::1 0.0.0.0 :: 1.2.3 10:22:33 v1.4": "127.0.0.1 ::1 0.0.0.0 :: 1.2.3 10:22:33 v1.4",
		"2026-11-28T03:00:00Z 999.1.1.1 a::b::c":       "2026-11-28T03:00:00Z 999.1.1.1 a::b::c",
		"02:AB:00:00:00:01 02:ab:00:00:00:01":          "mac-1 mac-1",
		"dev warren0 table 8787 proto 87":              "dev warren0 table 8787 proto 87",
	} {
		if got := string(r.Redact([]byte(text))); got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
	files := r.Files([]bundle.File{{"nodes/node-1/status.json", []byte("10.244.1.0")}})
	if files[0].Name != "nodes/name-1/status.json" || string(files[0].Content) != "ipv4-1" {
		t.Errorf("%s: %s", files[0].Name, files[0].Content)
	}
	if got := string(bundle.NewRedactor(nil).Redact([]byte("node-1 192.0.2.1"))); got != "node-1 ipv4-1" {
		t.Error(got)
	}
}

// A name with an address in it goes whole, an address with a name in it too, and what a sentence puts behind an address
// does not save it.
func TestRedactWithin(t *testing.T) {
	for text, want := range map[string]string{
		"node worker-192.0.2.7.corp.example is NotReady":   "node name-2 is NotReady",
		"answer at 2001:db8::1: in use":                    "answer at ipv6-1: in use",
		"sent to 2001:db8::1.":                             "sent to ipv6-1.",
		"at:2001:db8::1, 2001:db8::1%eth0":                 "at:ipv6-1, ipv6-1%eth0",
		"on 192.0.2.53:53: 192.0.2.53. 02:ab:00:00:00:01:": "on ipv4-1:53: ipv4-1. mac-1:",
		"192.0.2.0 0 192.0.0.2 127.0.0.1 0.0.0.0":          "ipv4-1 name-1 ipv4-2 127.0.0.1 0.0.0.0",
		"the end: 10:22:33: and so on: a::b::c.":           "the end: 10:22:33: and so on: a::b::c.",
	} {
		r := bundle.NewRedactor([]string{"worker-192.0.2.7.corp.example", "0"})
		if got := string(r.Redact([]byte(text))); got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}

func FuzzRedact(f *testing.F) {
	f.Add("node-1 10.0.0.1 fd00::1")
	f.Fuzz(func(t *testing.T, text string) {
		r := bundle.NewRedactor([]string{"secret-node"})
		if out := string(r.Redact([]byte("secret-node 192.0.2.77 " + text))); strings.Contains(out, "192.0.2.77 ") ||
			strings.HasPrefix(out, "secret-node") {
			t.Errorf("%q", out)
		}
	})
}
