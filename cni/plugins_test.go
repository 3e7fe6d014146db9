package cni_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"warren.mesh/cni"
)

// release makes a directory of the plugins, each holding its name and the version.
func release(t testing.TB, version string) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range cni.Names {
		write(t, map[string]string{filepath.Join(dir, name): name + " " + version})
	}
	return dir
}

func install(t testing.TB, p cni.Plugins) []string {
	t.Helper()
	installed, err := p.Install()
	if err != nil {
		t.Fatal(err)
	}
	return installed
}

// visible is what a runtime sees: without hidden files.
func visible(t testing.TB, dir string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".") {
			continue
		}
		content, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		files[e.Name()] = string(content)
	}
	return files
}

func TestInstall(t *testing.T) {
	p := cni.Plugins{From: release(t, "1"), To: filepath.Join(t.TempDir(), "opt/cni/bin")}
	if diff := cmp.Diff(cni.Names, install(t, p)); diff != "" {
		t.Errorf("first time (-want +got):\n%s", diff)
	}
	before := tree(t, p.To)
	if got := install(t, p); got != nil {
		t.Errorf("second time wrote %v", got)
	}
	if diff := cmp.Diff(before, tree(t, p.To)); diff != "" {
		t.Errorf("second time (-before +after):\n%s", diff)
	}
	want := map[string]string{"bridge": "bridge 1", "host-local": "host-local 1", "loopback": "loopback 1",
		"portmap": "portmap 1", "warren-cni": "warren-cni 1"}
	if diff := cmp.Diff(want, visible(t, p.To)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// A distribution's plugins and other networks' come back, whatever happened in between.
func TestInstallThenRemove(t *testing.T) {
	others := map[string]string{"bridge": "bridge of a package", "loopback": "loopback 1", "flannel": "flannel"}
	newer := map[string]string{"bridge": "bridge of a newer package", "loopback": "loopback 1", "flannel": "flannel"}
	for name, step := range map[string]struct {
		do   func(t *testing.T, p cni.Plugins)
		want map[string]string
	}{
		"at once": {func(*testing.T, cni.Plugins) {}, others},
		"upgraded in between": {func(t *testing.T, p cni.Plugins) {
			p.From = release(t, "2")
			install(t, p)
		}, others},
		"package upgraded in between": {upgradePackage, newer},
		"package upgraded and installed again": {func(t *testing.T, p cni.Plugins) {
			upgradePackage(t, p)
			install(t, p)
		}, newer},
	} {
		t.Run(name, func(t *testing.T) {
			p := cni.Plugins{From: release(t, "1"), To: t.TempDir()}
			for file, content := range others {
				write(t, map[string]string{filepath.Join(p.To, file): content})
			}
			install(t, p)
			step.do(t, p)
			for range 2 { // removing the absent succeeds
				if err := p.Remove(); err != nil {
					t.Fatal(err)
				}
			}
			if diff := cmp.Diff(step.want, visible(t, p.To)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if _, err := os.Lstat(filepath.Join(p.To, ".warren")); err == nil {
				t.Error("the record is still there")
			}
		})
	}
}

// upgradePackage does what dpkg does: another file under the same name.
func upgradePackage(t *testing.T, p cni.Plugins) {
	t.Helper()
	bridge := filepath.Join(p.To, "bridge")
	if err := os.Remove(bridge); err != nil {
		t.Fatal(err)
	}
	write(t, map[string]string{bridge: "bridge of a newer package"})
}

// Between any two steps of an installation a crash may come: the next attempt and the removal must not take the
// half-installed plugin for another's.
func TestInstallAfterACrash(t *testing.T) {
	p := cni.Plugins{From: release(t, "1"), To: t.TempDir()}
	install(t, p)
	bridge, record := filepath.Join(p.To, "bridge"), filepath.Join(p.To, ".warren/bridge")
	p.From = release(t, "2")
	write(t, map[string]string{record + ".tmp": "bridge 2"})
	if err := os.Remove(bridge); err != nil {
		t.Fatal(err)
	}
	if err := os.Link(record+".tmp", bridge); err != nil { // the last rename did not come
		t.Fatal(err)
	}
	p.From = release(t, "3")
	install(t, p)
	if err := p.Remove(); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{}, visible(t, p.To)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// The kernel refuses to write to a program that runs (ETXTBSY), and a rewrite in place would crash it.
func TestInstallOverARunningPlugin(t *testing.T) {
	p := cni.Plugins{From: release(t, "1"), To: t.TempDir()}
	sleep, err := exec.LookPath("sleep")
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile(sleep)
	if err != nil {
		t.Fatal(err)
	}
	bridge := filepath.Join(p.To, "bridge")
	write(t, map[string]string{bridge: string(program)})
	running := exec.Command(bridge, "60")
	if err := running.Start(); err != nil {
		t.Fatal(err)
	}
	install(t, p)
	if content, err := os.ReadFile(bridge); err != nil || string(content) != "bridge 1" {
		t.Errorf("%.20q, %v", content, err)
	}
	if err := running.Process.Kill(); err != nil {
		t.Error("it did not survive: ", err)
	}
	_ = running.Wait()
}

func TestInstallNamesWhatIsMissing(t *testing.T) {
	p := cni.Plugins{From: release(t, "1"), To: t.TempDir()}
	if err := os.Remove(filepath.Join(p.From, "loopback")); err != nil {
		t.Fatal(err)
	}
	_, err := p.Install()
	if err == nil || !strings.Contains(err.Error(), filepath.Join(p.From, "loopback")) {
		t.Errorf("error %v does not name the missing file", err)
	}
}
