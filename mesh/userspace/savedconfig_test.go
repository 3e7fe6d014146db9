package userspace

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// inMemory is a directory on tmpfs.
func inMemory(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "warren-test-") //nolint:usetesting // t.TempDir may be on a disk.
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// load returns the configuration as another supervisor loads it, and what that one logs.
func load(path string) (*savedConfig, *bytes.Buffer) {
	var log bytes.Buffer
	c := &savedConfig{path: path, log: textLog(&log, slog.LevelInfo)}
	c.load()
	return c, &log
}

func TestSavedConfig(t *testing.T) {
	path := filepath.Join(inMemory(t), "wg0.state")
	for _, settings := range []string{"private_key=01\n", "private_key=02\nlisten_port=51820\n"} {
		c, _ := load(path)
		c.set([]byte(settings))
		found, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if found.Mode() != 0o600 {
			t.Errorf("mode %v, want 0600", found.Mode())
		}
		next, log := load(path)
		if string(next.settings) != settings || log.Len() > 0 {
			t.Errorf("the next has %q, and logs %s", next.settings, log)
		}
	}
	c, _ := load(path)
	if err := c.forget(); err != nil {
		t.Fatal(err)
	}
	if next, _ := load(path); next.settings != nil || c.settings != nil {
		t.Errorf("not forgotten: %q, %q", c.settings, next.settings)
	}
}

// TestSavedConfigIsWrittenOnce sets what is set already.
func TestSavedConfigIsWrittenOnce(t *testing.T) {
	path := filepath.Join(inMemory(t), "wg0.state")
	c, _ := load(path)
	c.set([]byte("private_key=01\n"))
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	c.set([]byte("private_key=01\n"))
	if _, err := os.Stat(path); err == nil {
		t.Error("it was written again")
	}
}

// TestSavedConfigOnDisk shows that no secret gets there, that this is logged once, and that the next device process has
// the configuration nevertheless. The directory stands for every file system but tmpfs.
func TestSavedConfigOnDisk(t *testing.T) {
	c, log := load("/proc/self/wg0.state")
	for _, settings := range []string{"private_key=01\n", "private_key=02\n"} {
		c.set([]byte(settings))
		if string(c.settings) != settings {
			t.Errorf("the next device process gets %q", c.settings)
		}
	}
	said := log.String()
	if strings.Count(said, "\n") != 1 || !strings.Contains(said, "/proc/self is not on tmpfs") ||
		strings.Contains(said, "private") {
		t.Errorf("logged:\n%s", said)
	}
}

// TestSavedConfigOfOthers ignores a file that others could have read, written or chosen.
func TestSavedConfigOfOthers(t *testing.T) {
	for name, spoil := range map[string]func(path string) error{
		"readable":  func(path string) error { return os.Chmod(path, 0o640) },
		"writable":  func(path string) error { return os.Chmod(path, 0o602) },
		"link":      func(path string) error { return os.Symlink(path+".target", path) },
		"directory": func(path string) error { return os.Mkdir(path, 0o700) },
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(inMemory(t), "wg0.state")
			file := path
			if name == "link" {
				file += ".target"
			}
			if name != "directory" {
				if err := os.WriteFile(file, []byte("private_key=01\n"), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if err := spoil(path); err != nil {
				t.Fatal(err)
			}
			c, log := load(path)
			if c.settings != nil || strings.Count(log.String(), "\n") != 1 {
				t.Errorf("it was believed (%q), or not said once:\n%s", c.settings, log)
			}
		})
	}
}

func TestSettings(t *testing.T) {
	const config = `private_key=01
listen_port=51820
fwmark=1
public_key=02
preshared_key=03
protocol_version=1
endpoint=192.0.2.1:51820
last_handshake_time_sec=1
last_handshake_time_nsec=2
tx_bytes=3
rx_bytes=4
persistent_keepalive_interval=25
allowed_ip=10.0.0.0/24
public_key=04
allowed_ip=10.0.1.0/24
`
	const want = `private_key=01
listen_port=51820
fwmark=1
public_key=02
preshared_key=03
endpoint=192.0.2.1:51820
persistent_keepalive_interval=25
allowed_ip=10.0.0.0/24
public_key=04
allowed_ip=10.0.1.0/24
`
	if diff := cmp.Diff(want, string(settings(config))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := settings("listen_port=1234\n"); len(got) != 0 {
		t.Errorf("of a device that is not configured: %q", got)
	}
	if got := withEndpoint([]byte(want)); len(got) != 1 {
		t.Errorf("%d peers can be reached, want the one with an endpoint", len(got))
	}
}

// TestSettingsSetUpAnother configures a device by what another tells.
func TestSettingsSetUpAnother(t *testing.T) {
	one, other := newTestDevice(t, "10.0.0.1"), newTestDevice(t, "10.0.0.2")
	one.add(t, other, "127.0.0.1")
	public := other.key.Public()
	one.set(t, "public_key=%x\npreshared_key=%x\npersistent_keepalive_interval=25\nallowed_ip=fd00::/64", public[:],
		[32]byte{1})
	config, err := one.IpcGet()
	if err != nil {
		t.Fatal(err)
	}
	one.Close()
	third := newTestDevice(t, "10.0.0.3")
	if err := third.IpcSet(string(settings(config))); err != nil {
		t.Fatal(err)
	}
	again, err := third.IpcGet()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(settings(config)), string(settings(again))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
