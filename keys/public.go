package keys

import "encoding/base64"

// Public is a WireGuard public key. The zero value is no key: see IsZero. It is comparable and may be a map's key.
type Public [Size]byte

// ParsePublic parses base64 as `wg` prints it and Node annotations hold it. The error wraps ErrInvalid and never
// repeats the whole input, which may be a private key in the wrong place.
func ParsePublic(text string) (Public, error) {
	b, err := parse(text)
	if err != nil {
		return Public{}, err
	}
	return Public(b), nil
}

// IsZero reports whether this is the zero value, which is no key.
func (k Public) IsZero() bool { return k == Public{} }

// String returns the key in base64, as `wg` prints it; "(none)" for the zero value.
func (k Public) String() string {
	if k.IsZero() {
		return "(none)"
	}
	return base64.StdEncoding.EncodeToString(k[:])
}

// MarshalText returns what String does, so that encoders of JSON and text print base64 rather than numbers.
func (k Public) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText reads what MarshalText writes. The error wraps ErrInvalid.
func (k *Public) UnmarshalText(text []byte) error {
	if string(text) == (Public{}).String() {
		*k = Public{}
		return nil
	}
	key, err := ParsePublic(string(text))
	if err == nil {
		*k = key
	}
	return err
}
