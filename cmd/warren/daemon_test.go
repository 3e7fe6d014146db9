package main

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"

	"warren.mesh/cni"
	"warren.mesh/keys"
)

// parseDaemon is the daemon's configuration from these flags.
func parseDaemon(t *testing.T, args ...string) *daemon {
	t.Helper()
	var d daemon
	flags := pflag.NewFlagSet("", pflag.ContinueOnError)
	d.addFlags(flags)
	if err := flags.Parse(args); err != nil {
		t.Fatal(err)
	}
	return &d
}

func TestDaemonRefusesWhatCanNeverWork(t *testing.T) {
	for flag, want := range map[string]string{
		"":                                       "",
		"--mtu=9000":                             "",
		"--mtu=100":                              "MTU 100",
		"--port=0":                               "port 0",
		"--mark=3":                               "mark 0x3",
		"--mass-removal-delay=0":                 "",
		"--mass-removal-delay=-1s":               "mass removal delay -1s",
		"--resync=0s":                            "resync interval 0s",
		"--cluster-cidrs=10.0.0.0/8,10.1.0.0/16": "overlap",
		"--node-cidrs=10.244.0.0/16":             "",
		"--plain-from=192.0.2.9/32,2001:db8::/64": "",
		"--plain-from=192.0.2.9/24":               "host bits",
		"--cluster-cidrs=10.244.1.0/16":           "host bits",
		"--cluster-cidrs=10.0.0.0/8,fd00:10::/48": "",
	} {
		var args []string
		if flag != "" {
			args = append(args, flag)
		}
		err := parseDaemon(t, args...).validate()
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v, want %q", flag, err, want)
		}
	}
}

func TestLoadKeyKeepsIt(t *testing.T) {
	var log strings.Builder
	logger := slog.New(slog.NewTextHandler(&log, nil))
	path := filepath.Join(t.TempDir(), "warren", "private.key")
	first, err := loadKey(keys.Store{Path: path}, logger)
	if err != nil {
		t.Fatal(err)
	}
	second, err := loadKey(keys.Store{Path: path}, logger)
	if err != nil || first.Public() != second.Public() {
		t.Errorf("another key the second time, or %v", err)
	}
	if got := strings.Count(log.String(), "private key made"); got != 1 {
		t.Errorf("log:\n%s", log.String())
	}
}

func TestUninstallRemovesTheKeyAndNothingElse(t *testing.T) {
	for name, test := range map[string]struct {
		keep bool
		want []string
	}{
		"removed": {false, []string{"somebody-elses.key"}},
		"kept": {true, []string{
			"private.key", "private.key.cloned-20261127T120000Z", "private.key.corrupt-20261123T120000Z",
			"private.key.tmp", "somebody-elses.key",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for _, file := range []string{
				"private.key", "private.key.tmp", "private.key.corrupt-20261123T120000Z",
				"private.key.cloned-20261127T120000Z", "somebody-elses.key",
			} {
				if err := os.WriteFile(filepath.Join(dir, file), nil, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			u := uninstall{keyFile: filepath.Join(dir, "private.key"), keepKey: test.keep}
			for range 2 {
				if err := u.removeKey(); err != nil {
					t.Fatal(err)
				}
			}
			entries, err := os.ReadDir(dir)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, e := range entries {
				got = append(got, e.Name())
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestUnpublishTellsWhatIsLeft(t *testing.T) {
	u := uninstall{
		annotations: true, attachments: cni.Configuration{RunDir: t.TempDir()},
		node: nodeOptions{name: "a", kubeconfig: filepath.Join(t.TempDir(), "absent")},
	}
	if err := u.unpublish(t.Context()); err == nil || !strings.Contains(err.Error(), "--node-annotations=false") {
		t.Errorf("error %v", err)
	}
	u.annotations = false
	if err := u.unpublish(t.Context()); err != nil {
		t.Error(err)
	}
}
