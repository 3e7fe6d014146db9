package view_test

import (
	"encoding/json"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode"

	"sigs.k8s.io/yaml"

	"warren.mesh/mesh/explain"
	"warren.mesh/mesh/graph"
	"warren.mesh/mesh/plan"
	"warren.mesh/mesh/status"
	"warren.mesh/mesh/view"
)

// hostile clears the screen, sets the clipboard, writes backwards, and says something in another node's name.
const hostile = "x\x1b[2J\x1b]52;c;cm0gLXJm\x07\r\u009b1m\u202e\x7f\xff\t\v\f\n FAIL  W07  peers answer  node-b"

func TestPrintable(t *testing.T) {
	for text, want := range map[string]string{
		"": "", "node-a → 10.0.0.1 ✓ é": "node-a → 10.0.0.1 ✓ é", "a\nb\n": "a; b", `a\b`: `a\b`, " ok ": " ok",
		"�":     "�", // what replaces bytes that are no UTF-8 is a rune itself
		hostile: `x\x1b[2J\x1b]52;c;cm0gLXJm\a\r\u009b1m\u202e\x7f\xff\t\v\f;  FAIL  W07  peers answer  node-b`,
	} {
		if got := view.Printable(text); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

// Whatever nodes answer, what is written for people has no control characters but those of the writer: newlines, of
// which there are as many as for harmless answers, and tabs at the beginning of a line of DOT.
func TestHostileNodes(t *testing.T) { wantHarmless(t, hostile) }

func FuzzHostileNodes(f *testing.F) {
	for _, text := range []string{hostile, "", "node-a", "\xff\xfe", "a\r\nb"} {
		f.Add(text)
	}
	f.Fuzz(wantHarmless)
}

func wantHarmless(t *testing.T, text string) {
	text = "x" + text // no word that means something, and not empty
	for name, write := range writers() {
		got, harmless := written(t, write(text)), written(t, write("x"))
		if n, want := strings.Count(got, "\n"), strings.Count(harmless, "\n"); n != want {
			t.Errorf("%s: %d lines, want %d:\n%q", name, n, want, got)
		}
		wantNoControl(t, name, got)
	}
	for name, document := range documents(text) {
		var asJSON any
		for _, f := range []view.Format{view.JSON, view.YAML} {
			got := written(t, func(b *strings.Builder) error { return view.WriteDocument(b, f, document) })
			wantNoControl(t, name+"/"+string(f), got)
			var parsed any
			err := yaml.Unmarshal([]byte(got), &parsed)
			if f == view.JSON {
				err = json.Unmarshal([]byte(got), &parsed)
				asJSON = parsed
			}
			if err != nil || !reflect.DeepEqual(asJSON, parsed) {
				t.Errorf("%s: %v, or other values than those of JSON:\n%q", f, err, got)
			}
		}
	}
}

func wantNoControl(t *testing.T, name, got string) {
	t.Helper()
	for line := range strings.Lines(got) {
		line = strings.TrimRight(line, "\n")
		if strings.HasPrefix(name, "graph/") {
			line = strings.TrimLeft(line, "\t")
		}
		if i := strings.IndexFunc(line, unicode.IsControl); i >= 0 {
			t.Errorf("%s: a control character at %d of the line %q", name, i, line)
		}
	}
}

// documents are all that nodes tell, with a text wherever one fits: also in fields that are yet to be.
func documents(text string) map[string]any {
	return map[string]any{
		"node": filled[view.NodeDocument](text), "cluster": filled[view.ClusterDocument](text),
		"ping": filled[view.PingDocument](text), "pings": filled[view.PingsDocument](text),
		"explanation": filled[explain.Explanation](text), "ways": filled[explain.Ways](text),
	}
}

// writers are all that write for people, by name.
func writers() map[string]func(text string) func(*strings.Builder) error {
	type writer = func(string) func(*strings.Builder) error
	all := map[string]writer{}
	for _, f := range []view.Format{view.Text, view.Wide, view.Name} {
		add := func(name string, write func(*strings.Builder, string) error) {
			all[name+"/"+string(f)] = func(text string) func(*strings.Builder) error {
				return func(b *strings.Builder) error { return write(b, text) }
			}
		}
		add("node", func(b *strings.Builder, text string) error {
			d := filled[view.NodeDocument](text)
			return view.WriteNode(b, f, d.Report, append(view.CheckNode(d.Report), d.Checks...))
		})
		add("peers", func(b *strings.Builder, text string) error {
			return view.WritePeers(b, f, filled[status.Report](text))
		})
		add("cluster", func(b *strings.Builder, text string) error {
			d := filled[view.ClusterDocument](text)
			d.Checks = append(view.CheckCluster(d), d.Checks...)
			return view.WriteCluster(b, f, d)
		})
		add("all peers", func(b *strings.Builder, text string) error {
			return view.WriteAllPeers(b, f, filled[view.ClusterDocument](text))
		})
		add("ping", func(b *strings.Builder, text string) error {
			return view.WritePing(b, f, filled[view.PingDocument](text))
		})
		add("pings", func(b *strings.Builder, text string) error {
			return view.WritePings(b, f, filled[view.PingsDocument](text))
		})
		add("explain", func(b *strings.Builder, text string) error {
			return explain.Write(b, f, filled[explain.Explanation](text))
		})
		add("ways", func(b *strings.Builder, text string) error {
			return explain.WriteWays(b, f, filled[explain.Ways](text))
		})
		add("plan", func(b *strings.Builder, text string) error {
			return view.WritePlan(b, f, []plan.Host{{
				Node: text, Waiting: "because of " + text, Problems: filled[view.ClusterDocument](text).Problems,
			}})
		})
	}
	for _, f := range []graph.Format{graph.DOT, graph.Mermaid, graph.SVG} {
		all["graph/"+string(f)] = func(text string) func(*strings.Builder) error {
			g := filled[graph.Graph](text)
			return func(b *strings.Builder) error { return graph.Write(b, f, g) }
		}
	}
	return all
}

// filled returns a value with a text in every string, an address whose zone it is in every address, and one or two
// elements in every slice and map.
func filled[T any](text string) T {
	var value T
	fill(reflect.ValueOf(&value).Elem(), text)
	return value
}

func fill(v reflect.Value, text string) {
	zoned := netip.MustParseAddr("fe80::1").WithZone(text)
	switch v.Interface().(type) {
	case netip.Addr:
		v.Set(reflect.ValueOf(zoned))
		return
	case netip.AddrPort:
		v.Set(reflect.ValueOf(netip.AddrPortFrom(zoned, 1)))
		return
	case netip.Prefix, time.Time:
		return // their texts are made of numbers
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(text)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), text)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range v.Len() {
			fill(v.Index(i), text)
		}
	case reflect.Map:
		key, element := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		fill(key, text)
		fill(element, text)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(key, element)
	case reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i), text)
		}
	case reflect.Int, reflect.Uint64, reflect.Uint16:
		v.Set(reflect.ValueOf(1).Convert(v.Type()))
	case reflect.Bool:
		v.SetBool(true)
	default: // other numbers stay zero
	}
}
