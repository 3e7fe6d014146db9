package cni

import (
	"context"
	"os"
	"path/filepath"
	"testing"
)

// Runtimes use the first file in the order of bytes that has one of three extensions.
func TestRival(t *testing.T) {
	const foreign = `{"cniVersion": "1.0.0", "name": "other", "plugins": [{"type": "bridge"}]}`
	const byName = `{"name": "multus-cni-network", "type": "multus", "clusterNetwork": "warren"}`
	const byFile = `{"type": "multus-shim", "clusterNetwork": "/host/etc/cni/net.d/10-warren.conflist"}`
	const byCopy = `{"type": "multus", "delegates": [{"name": "warren", "plugins": [{"type": "bridge"}]}]}`
	for _, tt := range []struct {
		name      string
		files     map[string]string
		want      string
		delegates bool
	}{
		{name: "none"},
		{"later", map[string]string{"10-warren.conflist.d.conf": foreign, "20-other.conf": foreign, "x.conf": ""}, "",
			false},
		{"earlier", map[string]string{"05-other.conflist": foreign, "08-other.conf": foreign}, "05-other.conflist",
			false},
		{"upper case sorts first", map[string]string{"00-Other.json": foreign}, "00-Other.json", false},
		{"the same but for a capital letter", map[string]string{"10-Warren.conf": foreign},
			"10-Warren.conf", false},
		{"hidden", map[string]string{".00-other.conf": foreign}, ".00-other.conf", false},
		{"other extensions", map[string]string{"00-other.conflist.bak": foreign, "00-other": foreign,
			"00-other.CONF": foreign, "00-other.yaml": foreign}, "", false},
		{"malformed", map[string]string{"00-other.conf": "{"}, "00-other.conf", false},
		{"by the network's name", map[string]string{"00-multus.conf": byName}, "00-multus.conf", true},
		{"by the file's name", map[string]string{"00-multus.conf": byFile}, "00-multus.conf", true},
		{"by a copy", map[string]string{"00-multus.conf": byCopy}, "00-multus.conf", true},
		{"a key is no name", map[string]string{"00-other.conf": `{"warren": "other"}`}, "00-other.conf", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := Configuration{ConfDir: t.TempDir()}
			if err := os.Mkdir(filepath.Join(c.ConfDir, "00-directory.conf"), 0o755); err != nil {
				t.Fatal(err)
			}
			for name, content := range tt.files {
				if err := os.WriteFile(filepath.Join(c.ConfDir, name), []byte(content), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want := tt.want
			if want != "" {
				want = filepath.Join(c.ConfDir, want)
			}
			if got, delegates, err := c.Rival(); got != want || delegates != tt.delegates || err != nil {
				t.Errorf("%q, %v, %v; want %q, %v", got, delegates, err, want, tt.delegates)
			}
		})
	}
	if got, _, err := (Configuration{ConfDir: filepath.Join(t.TempDir(), "absent")}).Rival(); got != "" || err != nil {
		t.Errorf("without a directory: %q, %v", got, err)
	}
	c := Configuration{ConfDir: t.TempDir()}
	dangling := filepath.Join(c.ConfDir, "00-link.conf")
	if err := os.Symlink("/absent", dangling); err != nil {
		t.Fatal(err)
	}
	if got, _, err := c.Rival(); got != dangling || err != nil {
		t.Errorf("dangling link: %q, %v", got, err)
	}
}

// FuzzRefers checks that no configuration of others ends the daemon.
func FuzzRefers(f *testing.F) {
	f.Add([]byte(`{"a": [1, null, {"b": "/x/10-warren.conflist"}]}`))
	f.Fuzz(func(t *testing.T, content []byte) {
		path := filepath.Join(t.TempDir(), "00.conf")
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		refersToWarren(path)
	})
}

// What others do in the directories pokes; a directory that is replaced ends the watch.
func TestWatch(t *testing.T) {
	c := Configuration{ConfDir: filepath.Join(t.TempDir(), "net.d"), RunDir: filepath.Join(t.TempDir(), "warren")}
	other, file := filepath.Join(c.ConfDir, "00-other.conf"), c.File()
	pokes, ended := make(chan struct{}, 1), make(chan error, 1)
	poke := func() {
		select {
		case pokes <- struct{}{}:
		default:
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() { ended <- c.Watch(ctx, poke) }()
	<-pokes
	for _, do := range []func() error{
		func() error { return os.WriteFile(file, nil, 0o600) },
		func() error { return os.Symlink("absent", other) },
		func() error { return os.Rename(other, other+"list") },
		func() error { return os.Remove(other + "list") },
	} {
		if err := do(); err != nil {
			t.Fatal(err)
		}
		<-pokes
	}
	if err := os.RemoveAll(c.ConfDir); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err == nil {
		t.Error("the directory is gone, and the watch ended without an error")
	}
	go func() { ended <- c.Watch(ctx, poke) }()
	<-pokes
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("at the end: %v", err)
	}
}

func TestReplaced(t *testing.T) {
	p := Plugins{From: t.TempDir(), To: t.TempDir()}
	for _, name := range Names {
		if err := os.WriteFile(filepath.Join(p.From, name), []byte("warren's "+name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := p.Install(); err != nil {
		t.Fatal(err)
	}
	if names, err := p.Replaced(); len(names) > 0 || err != nil {
		t.Errorf("%q, %v; want none", names, err)
	}
	// In place, as cp does: warren's record of the file changes with it.
	if err := os.WriteFile(filepath.Join(p.To, "portmap"), []byte("another's"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(p.To, "bridge")); err != nil {
		t.Fatal(err)
	}
	names, err := p.Replaced()
	if len(names) != 2 || names[0] != "bridge" || names[1] != "portmap" || err != nil {
		t.Errorf("%q, %v; want bridge and portmap", names, err)
	}
}
