package meshtest

import (
	"crypto/sha256"
	"encoding/base64"

	"warren.mesh/keys"
)

// Key returns a private key that is the same for the same name, and another one for another. Everybody can compute it:
// it is for tests alone.
func Key(name string) keys.Private {
	digest := sha256.Sum256([]byte(name))
	key, err := keys.ParsePrivate(base64.StdEncoding.EncodeToString(digest[:]))
	if err != nil {
		panic("meshtest: a digest is a key: " + err.Error())
	}
	return key
}
