package agent_test

import (
	"fmt"
	"sync"

	"warren.mesh/keys"
	"warren.mesh/mesh/agent"
	"warren.mesh/mesh/meshtest"
)

var (
	_ agent.Key = (*ring)(nil)
	_ agent.Key = (*keys.Holder)(nil)
)

// ring is a node's private key, which can be made to fail.
type ring struct {
	mu       sync.Mutex
	key      keys.Private
	replaced int
	// proveErr and replaceErr are what Prove and Replace fail with.
	proveErr, replaceErr error
}

func (r *ring) Prove(uid string) (keys.Public, keys.Proof, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.proveErr != nil {
		return keys.Public{}, keys.Proof{}, r.proveErr
	}
	proof, err := r.key.Prove(uid)
	return r.key.Public(), proof, err
}

func (r *ring) Replace() (keys.Loaded, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.replaceErr != nil {
		return keys.Loaded{}, r.replaceErr
	}
	r.replaced++
	r.key = meshtest.Key(fmt.Sprintf("%v, replacement %d", r.key.Public(), r.replaced))
	return keys.Loaded{Key: r.key, Made: true, SetAside: "/var/lib/warren/private.key.cloned"}, nil
}

// public is the public half of the key as it is now.
func (r *ring) public() keys.Public {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.key.Public()
}

// fail makes Prove and Replace fail; nil mends them.
func (r *ring) fail(prove, replace error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.proveErr, r.replaceErr = prove, replace
}
