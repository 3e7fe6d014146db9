package keys

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// held returns a Holder of Alice's key, and the store that keeps it.
func held(t *testing.T) (*Holder, Store) {
	t.Helper()
	s := newStore(t).with(t, alice+"\n", 0o600)
	loaded, err := s.Load()
	if err != nil {
		t.Fatal(err)
	}
	return NewHolder(s, loaded.Key), s
}

func TestHolderReplaces(t *testing.T) {
	h, s := held(t)
	loaded, err := h.Replace()
	if err != nil {
		t.Fatal(err)
	}
	aside := s.Path + ".cloned-20261123T140405Z"
	if !loaded.Made || loaded.SetAside != aside || loaded.Reason != nil {
		t.Errorf("Replace = %+v, want a new key and %s set aside", loaded, aside)
	}
	if h.Public() != loaded.Key.Public() || h.Public().String() == alicePublic {
		t.Errorf("the Holder has %v", h.Public())
	}
	want := map[string]string{"private.key": h.Private().text() + "\n", filepath.Base(aside): alice + "\n"}
	if diff := cmp.Diff(want, s.files(t)); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	if info, err := os.Stat(aside); err != nil || info.Mode() != 0o600 {
		t.Errorf("mode of what was set aside = %v, %v; want 0600", info.Mode(), err)
	}
	if public, proof, err := h.Prove("uid"); err != nil || public != h.Public() || !public.Verify("uid", proof) {
		t.Errorf("Prove = %v, %v, %v; want a proof of the new key", public, proof, err)
	}
}

// Written is the time of the file that holds the key now; none is an error.
func TestHolderTellsTheKeysAge(t *testing.T) {
	h, s := held(t)
	want := time.Date(2025, 11, 28, 0, 0, 0, 0, time.UTC)
	if err := os.Chtimes(s.Path, want, want); err != nil {
		t.Fatal(err)
	}
	if got, err := h.Written(); err != nil || !got.Equal(want) {
		t.Errorf("Written = %v, %v; want %v", got, err, want)
	}
	if err := os.Remove(s.Path); err != nil {
		t.Fatal(err)
	}
	if got, err := h.Written(); !errors.Is(err, os.ErrNotExist) || !got.IsZero() {
		t.Errorf("without a file, Written = %v, %v", got, err)
	}
}

// TestHolderKeepsKey: until the new key is on disk, the old one is what the node has. The next attempt finds no file.
func TestHolderKeepsKey(t *testing.T) {
	h, s := held(t)
	inTheWay := filepath.Join(s.Path+".tmp", "in the way")
	if err := os.MkdirAll(inTheWay, 0o700); err != nil {
		t.Fatal(err)
	}
	loaded, err := h.Replace()
	if err == nil || loaded.SetAside == "" || h.Public().String() != alicePublic {
		t.Fatalf("Replace = %+v, %v with key %v; want an error and Alice's key", loaded, err, h.Public())
	}
	if err := os.RemoveAll(s.Path + ".tmp"); err != nil {
		t.Fatal(err)
	}
	loaded, err = h.Replace()
	if err != nil || loaded.SetAside != "" || h.Public() != loaded.Key.Public() || h.Public().String() == alicePublic {
		t.Errorf("Replace = %+v, %v with key %v; want a new key and nothing set aside", loaded, err, h.Public())
	}
	if again, err := s.Load(); err != nil || again.Key.Public() != h.Public() {
		t.Errorf("on disk is %v, %v", again.Key.Public(), err)
	}
}
