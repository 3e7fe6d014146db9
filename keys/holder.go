package keys

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"time"
)

// Holder is a node's private key while a daemon runs. Replace exchanges it. A Holder is safe for concurrent use, and
// nothing prints the key. Make one with NewHolder.
type Holder struct {
	store Store
	mu    sync.Mutex
	key   Private
}

// NewHolder returns a Holder of key, which store keeps.
func NewHolder(store Store, key Private) *Holder { return &Holder{store: store, key: key} }

// Private returns the key as it is now.
func (h *Holder) Private() Private {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.key
}

// Public returns the public half of the key as it is now.
func (h *Holder) Public() Public { return h.Private().Public() }

// Prove returns the public half of the key and the proof that the Node with that UID has it; see Private.Prove. Both
// are of the same key, whatever Replace does meanwhile.
func (h *Holder) Prove(uid string) (Public, Proof, error) {
	key := h.Private()
	proof, err := key.Prove(uid)
	return key.Public(), proof, err
}

// Replace exchanges the key for a new one, in the file first; see Store.Replace. After an error the Holder has the old
// key.
func (h *Holder) Replace() (Loaded, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	loaded, err := h.store.Replace()
	if err != nil {
		return loaded, fmt.Errorf("replace the private key: %w", err)
	}
	h.key = loaded.Key
	return loaded, nil
}

// Written returns when the key's file was written.
func (h *Holder) Written() (time.Time, error) {
	info, err := os.Stat(h.store.Path)
	if err != nil {
		return time.Time{}, fmt.Errorf("find the time of the private key: %w", err)
	}
	return info.ModTime(), nil
}

// Format prints a placeholder for every verb, as Private does.
func (h *Holder) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, redacted) }

// String returns a placeholder, never the key.
func (h *Holder) String() string { return redacted }

// LogValue returns a placeholder, never the key.
func (h *Holder) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText returns a placeholder, never the key.
func (h *Holder) MarshalText() ([]byte, error) { return []byte(redacted), nil }
