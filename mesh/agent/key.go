package agent

import (
	"warren.mesh/mesh"
	"warren.mesh/mesh/status"
)

// addKey adds the key and its proof to the own node; ok is false if there is no proof. They are made anew in each pass,
// which takes 0.3 ms: what they depend on, the key and the Node's UID, may be another than before.
//
// A key that an elder node has too is replaced first: WireGuard knows nodes by their keys, so two with one key would
// take each other's traffic. If that fails, the node keeps the key, and mesh.Desired leaves it without peers.
func (a *Agent) addKey(self *mesh.Self, nodes []mesh.Node) (ok bool) {
	if err := a.prove(self); err != nil {
		a.report(stepKey, err)
		return false
	}
	err := a.unclone(self, nodes)
	a.report(stepKey, err)
	return !self.Proof.IsZero()
}

func (a *Agent) prove(self *mesh.Self) (err error) {
	self.PublicKey, self.Proof, err = a.cfg.Key.Prove(self.UID)
	return err
}

// unclone replaces the key if an elder node has it too.
func (a *Agent) unclone(self *mesh.Self, nodes []mesh.Node) error {
	elder, cloned := self.Cloned(nodes)
	if !cloned {
		return nil
	}
	loaded, err := a.cfg.Key.Replace()
	if err != nil {
		return err
	}
	a.status.Update(func(s status.Snapshot) status.Snapshot { s.KeyReplacements++; return s })
	const message = "an older node has the same private key, as after the copy of a disk: set it aside and made " +
		"a new one"
	a.log.Error(message, "node", elder, "file", loaded.SetAside)
	return a.prove(self)
}
