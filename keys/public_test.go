package keys

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

func TestParsePublic(t *testing.T) {
	const good = "hSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmo="
	for _, tt := range []struct {
		name, text, err string
	}{
		{name: "as wg prints it", text: good},
		{name: "empty", text: "", err: "0 characters, want 44"},
		{name: "words", text: "not a key", err: "9 characters"},
		{name: "short", text: base64.StdEncoding.EncodeToString(make([]byte, 31)), err: "not 32 bytes"},
		{name: "long", text: base64.StdEncoding.EncodeToString(make([]byte, 34)), err: "48 characters"},
		{name: "all zero", text: base64.StdEncoding.EncodeToString(make([]byte, 32)), err: "all bytes are zero"},
		{name: "newline at the end", text: good + "\n", err: "45 characters"},
		{name: "newline inside", text: good[:20] + "\n" + good[21:], err: "not 32 bytes"},
		{name: "unpadded", text: good[:43], err: "43 characters"},
		{name: "URL alphabet", text: strings.ReplaceAll(good, "/", "_"), err: "not 32 bytes"},
		{name: "stray bits in the last character", text: good[:42] + "p=", err: "not 32 bytes"},
		{name: "hex", text: strings.Repeat("ab", 32), err: "64 characters"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			key, err := ParsePublic(tt.text)
			if tt.err == "" {
				if err != nil || key.String() != strings.TrimSpace(tt.text) {
					t.Fatalf("ParsePublic = %v, %v; want the same key back", key, err)
				}
				return
			}
			if !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), tt.err) {
				t.Errorf("error = %v, want one that wraps ErrInvalid and says %q", err, tt.err)
			}
			if !key.IsZero() {
				t.Errorf("key = %v beside an error, want none", key)
			}
		})
	}
}

func TestPublicText(t *testing.T) {
	const text = "hSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmo="
	key, err := ParsePublic(text)
	if err != nil {
		t.Fatal(err)
	}
	got, err := json.Marshal(map[string]Public{"key": key, "none": {}})
	if want := `{"key":"` + text + `","none":"(none)"}`; err != nil || string(got) != want {
		t.Errorf("JSON = %s, %v; want %s", got, err, want)
	}
	var back map[string]Public
	if err := json.Unmarshal(got, &back); err != nil || back["key"] != key || back["none"] != (Public{}) {
		t.Errorf("read back %v, %v", back, err)
	}
	kept := key
	if err := kept.UnmarshalText([]byte("hSDw")); !errors.Is(err, ErrInvalid) || kept != key {
		t.Errorf("a short key: %v, %v; want an error, and the key as it was", kept, err)
	}
}

func FuzzParsePublic(f *testing.F) {
	for _, seed := range []string{"", "=", "hSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmo=",
		strings.Repeat("A", 43) + "=", strings.Repeat("a", 1000)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		key, err := ParsePublic(text)
		if err != nil {
			if !errors.Is(err, ErrInvalid) || len(err.Error()) > 100 {
				t.Fatalf("error = %v, want a short one that wraps ErrInvalid", err)
			}
			return
		}
		again, err := ParsePublic(key.String())
		if err != nil || again != key {
			t.Fatalf("%q became %v, which reads as %v, %v", text, key, again, err)
		}
	})
}
