package artifact_test

import (
	"context"
	"errors"
	"os"
	"testing"

	"warren.mesh/test/lab/artifact"
)

func TestGetMade(t *testing.T) {
	cache := artifact.Cache{Dir: t.TempDir(), Progress: t.Logf}
	made := 0
	file := artifact.Made{Name: "file", Dir: module(t, nil), Files: []string{"main.go"}, Inputs: []string{"a"}}
	file.Make = func(_ context.Context, output string) error {
		made++
		return os.WriteFile(output, []byte("content"), 0o600)
	}
	want := func(times int, m artifact.Made) {
		t.Helper()
		path, err := cache.GetMade(t.Context(), m)
		if err != nil {
			t.Fatal(err)
		}
		if content, err := os.ReadFile(path); err != nil || string(content) != "content" || made != times {
			t.Errorf("%q, %v, made %d times", content, err, made)
		}
	}
	want(1, file)
	want(1, file)
	other := file
	other.Inputs = []string{"b"}
	want(2, other)
	add(t, file.Dir, map[string]string{"README.md": "no part of it"})
	want(2, file)
	add(t, file.Dir, map[string]string{"main.go": "package other\n"})
	want(3, file)
}

// What was not made whole is made again.
func TestGetMadeFails(t *testing.T) {
	cache := artifact.Cache{Dir: t.TempDir(), Progress: t.Logf}
	broken := errors.New("broken")
	half := artifact.Made{Name: "file", Make: func(_ context.Context, output string) error {
		return errors.Join(os.WriteFile(output, []byte("half"), 0o600), broken)
	}}
	for range 2 {
		if path, err := cache.GetMade(t.Context(), half); !errors.Is(err, broken) {
			t.Errorf("got %s, %v", path, err)
		}
	}
}
