package rtnl

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

func TestDump(t *testing.T) {
	whole := []int{1, 2, 3}
	tests := []struct {
		name        string
		interrupted int
		then        error
		want        []int
		wantErr     error
	}{
		{name: "whole at once", want: whole},
		{name: "interrupted dumps are made again", interrupted: dumpAttempts - 1, want: whole},
		{name: "for ever interrupted", interrupted: dumpAttempts, wantErr: netlink.ErrDumpInterrupted},
		{name: "table that does not exist", then: unix.ENOENT},
		{name: "kernel without IPv6", then: unix.EAFNOSUPPORT},
		{name: "other errors are told", then: unix.EPERM, wantErr: unix.EPERM},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			calls := 0
			got, err := dump("things", func() ([]int, error) {
				if calls++; calls <= tt.interrupted {
					return whole[:1], netlink.ErrDumpInterrupted
				}
				return whole, tt.then
			})
			if !errors.Is(err, tt.wantErr) || (err == nil) != (tt.wantErr == nil) {
				t.Fatalf("error %v, want %v", err, tt.wantErr)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// TestDumpsAreMadeInOneFile looks for calls of netlink's List functions elsewhere below mesh/linux: it is easy to
// overlook that their dumps may be interrupted.
func TestDumpsAreMadeInOneFile(t *testing.T) {
	list := regexp.MustCompile(`\.(Route|Rule|Addr|Link|Neigh)(ByIndex|ByName)?List\w*\(`)
	seen := 0
	err := filepath.WalkDir("..", func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		seen++
		text, err := os.ReadFile(path)
		if found := list.Find(text); found != nil && path != filepath.Join("..", "rtnl", "dumps.go") {
			t.Errorf("%s calls %s): use rtnl.Conn, which retries interrupted dumps", path, found)
		}
		return err
	})
	if err != nil || seen < 10 {
		t.Fatalf("found %d files: %v", seen, err)
	}
}
