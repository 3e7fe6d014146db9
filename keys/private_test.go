package keys

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"
	"testing/iotest"
)

// TestVectors are the key pairs of RFC 7748, section 6.1.
func TestVectors(t *testing.T) {
	for _, tt := range []struct{ who, private, public string }{
		{"Alice", "77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a",
			"8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a"},
		{"Bob", "5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb",
			"de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f"},
	} {
		key, err := ParsePrivate(base64.StdEncoding.EncodeToString(unhex(t, tt.private)))
		if err != nil {
			t.Fatal(err)
		}
		if got := key.Public(); !bytes.Equal(got[:], unhex(t, tt.public)) {
			t.Errorf("%s's public key = %x, want %s", tt.who, got[:], tt.public)
		}
	}
}

func TestGenerateClamps(t *testing.T) {
	for _, tt := range []struct {
		random      byte
		first, last byte
	}{{0xff, 0xf8, 0x7f}, {0x00, 0x00, 0x40}, {0x07, 0x00, 0x47}, {0x80, 0x80, 0x40}} {
		key, err := generate(bytes.NewReader(bytes.Repeat([]byte{tt.random}, Size)))
		if err != nil {
			t.Fatal(err)
		}
		if b := key.Reveal(); b[0] != tt.first || b[31] != tt.last || b[15] != tt.random {
			t.Errorf("from %#x: first byte %#x, last %#x, another %#x; want %#x, %#x and no change", tt.random, b[0],
				b[31], b[15], tt.first, tt.last)
		}
	}
}

func TestGenerate(t *testing.T) {
	a, err := Generate()
	if err != nil {
		t.Fatal(err)
	}
	b, err := Generate()
	if err != nil {
		t.Fatal(err)
	}
	if a.IsZero() || a.Reveal() == b.Reveal() {
		t.Error("two keys are the same, or none")
	}
	cause := errors.New("no entropy")
	if _, err := generate(io.MultiReader(strings.NewReader("too short"), iotest.ErrReader(cause))); !errors.Is(err,
		cause) {
		t.Errorf("error = %v, want %v", err, cause)
	}
}

func TestZeroPrivate(t *testing.T) {
	var key Private
	if !key.IsZero() || !key.Public().IsZero() || key.Reveal() != [Size]byte{} {
		t.Error("the zero value has a key")
	}
}

func TestParsePrivateError(t *testing.T) {
	secret := strings.Repeat("c2VjcmV0", 6)
	_, err := ParsePrivate(secret)
	if !errors.Is(err, ErrInvalid) {
		t.Errorf("error = %v, want one that wraps ErrInvalid", err)
	}
	if strings.Contains(fmt.Sprintf("%v %+v %#v", err, err, err), "c2Vj") {
		t.Errorf("error %v repeats its input", err)
	}
}

// bearer holds a key in all the places where formatters and encoders look.
type bearer struct {
	Exported Private
	hidden   Private
	Pointer  *Private
	pointer  *Private
	List     []Private
	list     []Private
	Map      map[string]Private
	mapped   map[string]Private
	Any      any
	any      any
	Inner    struct{ inner struct{ Key Private } }
	Text     fmt.Stringer
}

func newBearer(key Private) bearer {
	b := bearer{
		Exported: key, hidden: key, Pointer: &key, pointer: &key, List: []Private{key}, list: []Private{key},
		Map: map[string]Private{"k": key}, mapped: map[string]Private{"k": key}, Any: key, any: key, Text: key,
	}
	b.Inner.inner.Key = key
	return b
}

// TestPrivateNeverPrinted puts a key through every formatter that the program or a library of its may use.
func TestPrivateNeverPrinted(t *testing.T) {
	key, err := ParsePrivate(base64.StdEncoding.EncodeToString(unhex(t,
		"77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a")))
	if err != nil {
		t.Fatal(err)
	}
	holder := newBearer(key)
	for name, value := range map[string]any{
		"value": key, "pointer": &key, "slice": []Private{key}, "array": [1]Private{key},
		"map":    map[string]*Private{"k": &key},
		"struct": holder, "struct pointer": &holder, "structs": []bearer{holder},
		"nested": struct{ b *bearer }{&holder},
		"error":  fmt.Errorf("with key %v: %w", key, ErrInvalid), "store": Loaded{Key: key, Made: true},
		"holder": NewHolder(Store{}, key), "held": struct{ h *Holder }{NewHolder(Store{}, key)},
	} {
		t.Run(name, func(t *testing.T) {
			for where, text := range printed(value) {
				if leak := leakOf(key, text); leak != "" {
					t.Errorf("%s prints the key %s: %s", where, leak, text)
				}
			}
		})
	}
}

// printed is value in every form, by the name of the formatter.
func printed(value any) map[string]string {
	forms := map[string]string{}
	for _, verb := range []string{"%v", "%+v", "%#v", "%d", "%x", "%X", "% x", "%#x", "%s", "%q", "%o", "%b", "%c",
		"%U", "%t", "%e"} {
		forms[verb] = fmt.Sprintf(verb, value)
	}
	forms["Sprint"] = fmt.Sprint(value)
	encoded, err := json.Marshal(value)
	forms["encoding/json"] = fmt.Sprint(string(encoded), err)
	var text, object bytes.Buffer
	for _, handler := range []slog.Handler{slog.NewTextHandler(&text, nil), slog.NewJSONHandler(&object, nil)} {
		slog.New(handler).With("with", value).WithGroup("group").Info("message", "key", value,
			slog.Group("g", "key", value))
	}
	forms["slog text"], forms["slog JSON"] = text.String(), object.String()
	return forms
}

// leakOf tells in which form text holds the key, or any eight bytes of it.
func leakOf(key Private, text string) string {
	b := key.Reveal()
	decimal := strings.Trim(fmt.Sprint(b[:]), "[]")
	for form, secret := range map[string]string{
		"in base64":         base64.StdEncoding.EncodeToString(b[:])[:12],
		"in hex":            hex.EncodeToString(b[8:16]),
		"in upper-case hex": strings.ToUpper(hex.EncodeToString(b[8:16])),
		"in spaced hex":     fmt.Sprintf("% x", b[8:16]),
		"in decimal":        decimal[:20],
		"in Go syntax":      strings.ReplaceAll(fmt.Sprintf("%#v", b[8:12]), "[]byte", "")[1:20],
		"in JSON numbers":   strings.ReplaceAll(decimal[:20], " ", ","),
		"raw":               string(b[8:16]),
	} {
		if strings.Contains(text, secret) {
			return form
		}
	}
	return ""
}

// TestPrivatePlaceholder: what is printed says what it is, rather than an address.
func TestPrivatePlaceholder(t *testing.T) {
	key, err := Generate()
	if err != nil {
		t.Fatal(err)
	}
	for where, text := range printed(key) {
		switch {
		case strings.HasPrefix(where, "%") && text == redacted, where == "Sprint" && text == redacted:
		case where == "encoding/json" && text == `"`+redacted+`"<nil>`:
		case strings.HasPrefix(where, "slog") && strings.Count(text, `"`+redacted+`"`) == 3:
		default:
			t.Errorf("%s prints %s, want %s", where, text, redacted)
		}
	}
	if key.String() != redacted || key.LogValue().String() != redacted {
		t.Errorf("String = %s, LogValue = %v; want %s", key, key.LogValue(), redacted)
	}
}

// TestLeakIsSeen shows that the matrix would notice: it prints the bytes themselves.
func TestLeakIsSeen(t *testing.T) {
	key, err := Generate()
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{
		fmt.Sprint(key.Reveal()), fmt.Sprintf("%x", key.Reveal()), fmt.Sprintf("% x", key.Reveal()),
		fmt.Sprintf("%X", key.Reveal()),
		fmt.Sprintf("%#v", key.Reveal()), fmt.Sprintf("%s", key.Reveal()), key.text(),
	} {
		if leakOf(key, text) == "" {
			t.Errorf("not seen in %s", text)
		}
	}
}

func unhex(t *testing.T, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
