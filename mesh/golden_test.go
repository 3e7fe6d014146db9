package mesh_test

import (
	"flag"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"warren.mesh/keys"
	"warren.mesh/mesh"
)

var update = flag.Bool("update", false, "write the goldens anew")

// TestGolden reads meshes from testdata and compares what Desired makes of them. A file has three sections to be
// written by hand: what it shows, "config" and "nodes"; the rest is written by -update.
func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no goldens: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) { golden(t, file) })
	}
}

func golden(t *testing.T, file string) {
	archive, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	m := readMesh(t, archive)
	state, problems, err := mesh.Desired(m.cfg, m.self, m.nodes)
	got := map[string]string{"state": m.named(state.String()), "problems": m.named(text(problems))}
	if err != nil {
		got["error"] = m.named(err.Error()) + "\n"
	}
	maps.DeleteFunc(got, func(_, content string) bool { return content == "" })
	if *update {
		write(t, file, archive, got)
		return
	}
	want := map[string]string{}
	for _, section := range archive.Files[2:] {
		want[section.Name] = string(section.Data)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", file, diff)
	}
}

func write(t *testing.T, file string, archive *txtar.Archive, got map[string]string) {
	t.Helper()
	archive.Files = archive.Files[:2]
	for _, name := range slices.Sorted(maps.Keys(got)) {
		archive.Files = append(archive.Files, txtar.File{Name: name, Data: []byte(got[name])})
	}
	if err := os.WriteFile(file, txtar.Format(archive), 0o644); err != nil {
		t.Fatal(err)
	}
}

// meshFile is the part of a golden that is written by hand.
type meshFile struct {
	cfg   mesh.Config
	self  mesh.Self
	nodes []mesh.Node
	keys  map[string]keys.Public
}

// goldenProof returns what a golden calls by this name: "none", "of:NODE" (that node's, copied), "by:KEY" (of another
// key), or, where it says nothing, a valid one.
func goldenProof(what, key, uid string) string {
	kind, name, _ := strings.Cut(what, ":")
	switch kind {
	case "none":
		return ""
	case "of":
		return proof(key, "uid-"+name).String()
	case "by":
		return proof(name, uid).String()
	}
	return proof(key, uid).String()
}

// readMesh reads "config", lines of NAME=VALUE, and "nodes", lines of NAME FIELD=VALUE….
func readMesh(t *testing.T, archive *txtar.Archive) *meshFile {
	t.Helper()
	if len(archive.Files) < 2 || archive.Files[0].Name != "config" || archive.Files[1].Name != "nodes" {
		t.Fatal("the first two sections are not config and nodes")
	}
	m := &meshFile{cfg: mesh.Defaults(), keys: map[string]keys.Public{}}
	own := ""
	for line := range strings.Lines(string(archive.Files[0].Data)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		switch name {
		case "self":
			own = value
		case "cluster-cidrs":
			m.cfg.ClusterCIDRs = prefixes(t, value)
		case "node-cidrs":
			m.cfg.NodeCIDRs = prefixes(t, value)
		case "plain-from":
			m.cfg.PlainFrom = prefixes(t, value)
		case "mtu":
			m.cfg.MTU, _ = strconv.Atoi(value)
		default:
			t.Fatalf("config: %s", line)
		}
	}
	for line := range strings.Lines(string(archive.Files[1].Data)) {
		m.readNode(t, strings.Fields(line), own)
	}
	return m
}

func (m *meshFile) readNode(t *testing.T, fields []string, own string) {
	t.Helper()
	values := map[string]string{"uid": "uid-" + fields[0]}
	for _, field := range fields[1:] {
		name, value, _ := strings.Cut(field, "=")
		values[name] = value
	}
	created, err := strconv.Atoi(values["created"])
	if err != nil {
		t.Fatalf("%s: %v", fields[0], err)
	}
	id := mesh.Identity{Name: fields[0], UID: values["uid"], Created: epoch.Add(time.Duration(created) * time.Second)}
	if name := values["public-key"]; strings.HasPrefix(name, "key-") {
		m.keys[name] = key(name)
		values["public-key"] = key(name).String()
		values["proof"] = goldenProof(values["proof"], name, id.UID)
	}
	a := mesh.Announcement{
		PublicKey: values["public-key"], Proof: values["proof"], Endpoint: values["endpoint"],
		PodCIDRs: values["pod-cidrs"], NodeIPs: values["node-ips"],
	}
	o := mesh.Overrides{ForceEndpoint: values["force-endpoint"], Keepalive: values["persistent-keepalive"]}
	node := mesh.ParseNode(id, a, o)
	m.nodes = append(m.nodes, node)
	if id.Name == own {
		m.self = selfOf(node)
	}
}

// named is text with the keys' names in place of their base64.
func (m *meshFile) named(text string) string {
	for name, key := range m.keys {
		text = strings.ReplaceAll(text, key.String(), name)
	}
	return text
}

func prefixes(t *testing.T, text string) []netip.Prefix {
	t.Helper()
	var list []netip.Prefix
	for item := range strings.SplitSeq(text, ",") {
		p, err := netip.ParsePrefix(item)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, p)
	}
	return list
}
