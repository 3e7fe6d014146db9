package keys_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"warren.mesh/keys"
	"warren.mesh/mesh/meshtest"
)

// A key that somebody else could replace is refused. Only root can give a file away, and so show it.
func TestPrivilegedStoreOwners(t *testing.T) {
	meshtest.Privileged(t)
	for name, own := range map[string]func(path string) string{
		"somebody else's":           func(path string) string { return path },
		"somebody else's directory": filepath.Dir,
	} {
		t.Run(name, func(t *testing.T) {
			s := keys.Store{Path: filepath.Join(t.TempDir(), "warren", "private.key")}
			made, err := s.Load()
			if err != nil || !made.Made {
				t.Fatalf("Load = %+v, %v; want a key", made, err)
			}
			if err := os.Chown(own(s.Path), 65534, -1); err != nil {
				t.Fatal(err)
			}
			remedy := "chown root " + own(s.Path)
			if got, err := s.Load(); err == nil || !strings.Contains(err.Error(), remedy) || !got.Key.IsZero() {
				t.Errorf("Load = %+v, %v; want no key and an error that says %q", got, err, remedy)
			}
		})
	}
}
