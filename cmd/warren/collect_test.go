package main

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"warren.mesh/cni"
	"warren.mesh/cni/gate"
)

// hostLocal frees what the container has, as host-local does.
const hostLocal = `#!/bin/sh
for f in "$RESERVATIONS"/*; do
	read -r container <"$f"
	case "$container" in "$CNI_CONTAINERID"*) rm "$f" ;; esac
done
`

// freeing is a daemon with address reservations of containers that are gone.
type freeing struct {
	*daemon
	reservations string
	reported     []error
}

// newFreeing has host-local in one directory: that of warren's own plugins, or that of the installed ones.
func newFreeing(t *testing.T, own bool) *freeing {
	t.Helper()
	dir := t.TempDir()
	f := &freeing{reservations: filepath.Join(dir, "run/ipam/warren")}
	t.Setenv("RESERVATIONS", f.reservations)
	from, to := filepath.Join(dir, "from"), filepath.Join(dir, "to")
	f.daemon = &daemon{
		attachments: cni.Configuration{
			RunDir: filepath.Join(dir, "run"), CacheDir: filepath.Join(dir, "cache"),
			ConfDir: filepath.Join(dir, "conf"), Bridge: "no-such-bridge",
		},
		plugins: cni.Plugins{From: from, To: to},
	}
	at := to
	if own {
		at = from
	}
	for file, content := range map[string]string{
		filepath.Join(at, "host-local"): hostLocal,
		f.attachments.File():            `{"cniVersion": "1.0.0", "name": "warren", "plugins": [{"ipam": {}}]}`,
	} {
		f.write(t, file, content)
	}
	return f
}

func (f *freeing) path(address string) string { return filepath.Join(f.reservations, address) }

func (f *freeing) write(t *testing.T, file, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(content), 0o755); err != nil {
		t.Fatal(err)
	}
}

// reserve makes a reservation of a container that is gone, as old as given.
func (f *freeing) reserve(t *testing.T, address string, age time.Duration) {
	t.Helper()
	f.write(t, f.path(address), "lost-"+address+"\r\neth0")
	when := time.Now().Add(-age)
	if err := os.Chtimes(f.path(address), when, when); err != nil {
		t.Fatal(err)
	}
}

// wantReserved wants these addresses to be reserved, and no others.
func (f *freeing) wantReserved(t *testing.T, when string, want ...string) {
	t.Helper()
	synctest.Wait()
	entries, err := os.ReadDir(f.reservations)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("reserved %s (-want +got):\n%s", when, diff)
	}
}

// Addresses of pods that are gone are freed at the daemon's start and hourly, and sooner after a failure, whether
// warren's own plugins are there or not.
func TestAddressesAreFreedHourly(t *testing.T) {
	for name, own := range map[string]bool{"by warren's host-local": true, "by the installed host-local": false} {
		t.Run(name, func(t *testing.T) {
			f := newFreeing(t, own)
			synctest.Test(t, f.run)
		})
	}
}

func (f *freeing) run(t *testing.T) {
	f.reserve(t, "10.244.1.2", 11*time.Minute)
	f.reserve(t, "10.244.1.3", 9*time.Minute)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		f.collect(ctx, func(err error) { f.reported = append(f.reported, err) }, slog.New(slog.DiscardHandler))
	}()
	f.wantReserved(t, "at the start", "10.244.1.3")
	time.Sleep(time.Hour - time.Second)
	f.wantReserved(t, "before the hour is over", "10.244.1.3")
	time.Sleep(time.Second)
	f.wantReserved(t, "after an hour")
	f.reserve(t, "10.244.1.4", 0)
	plugin := f.hostLocal()
	if err := os.Rename(plugin, plugin+".away"); err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Hour)
	f.wantReserved(t, "without the plugin", "10.244.1.4")
	if err := os.Rename(plugin+".away", plugin); err != nil {
		t.Fatal(err)
	}
	time.Sleep(5 * time.Minute)
	f.wantReserved(t, "five minutes after the failure")
	stop()
	<-ended
	if failed := slices.IndexFunc(f.reported, func(err error) bool { return err != nil }); failed != 2 ||
		len(f.reported) != 4 || f.reported[3] != nil {
		t.Errorf("reported %v, want an error the third time of four", f.reported)
	}
}

// The address of a running pod is reserved again at the daemon's start and hourly, and a new pod cannot have it.
func TestRunningPodsAreReserved(t *testing.T) {
	f := newFreeing(t, true)
	a := gate.Attachment{
		Container: "web", Interface: "eth0", Namespace: "shop", Name: "web", Port: "lo", // which every host has
		MAC: "02:00:00:00:00:01", Addrs: []netip.Addr{netip.MustParseAddr("10.244.1.2")},
	}
	if err := gate.RecordsIn(f.attachments.RunDir).Put(a); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			f.collect(ctx, func(err error) { f.reported = append(f.reported, err) }, slog.New(slog.DiscardHandler))
		}()
		f.wantReserved(t, "at the start", "10.244.1.2")
		for _, lose := range []func() error{
			func() error { return os.Remove(f.path("10.244.1.2")) },
			func() error { return os.RemoveAll(filepath.Join(f.attachments.RunDir, "ipam")) },
		} {
			if err := lose(); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Hour)
			f.wantReserved(t, "after an hour", "10.244.1.2")
		}
		ipam := filepath.Dir(f.reservations)
		if err := errors.Join(os.RemoveAll(ipam), os.WriteFile(ipam, nil, 0o600)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		stop()
		<-ended
		if last := f.reported[len(f.reported)-1]; last == nil ||
			!strings.Contains(last.Error(), "reserve the address of pod shop/web: ") {
			t.Errorf("with a file in the place of the reservations: reported %v", last)
		}
	})
}
