package manifests_test

import (
	"errors"
	"path/filepath"
	"testing"

	authorization "k8s.io/api/authorization/v1"
	"k8s.io/apimachinery/pkg/types"

	"warren.mesh/test/lab"
)

// testOverlays shows that role and policies follow the account, whatever an overlay calls it and wherever it puts it;
// and that a policy which did not would be seen.
func testOverlays(t *testing.T, f *fixture) {
	f.Kubectl(t, "", "create", "namespace", "mesh")
	for _, overlay := range []struct {
		name    string
		account types.NamespacedName
		held    bool
	}{
		{"namespace", types.NamespacedName{Namespace: "mesh", Name: "warren"}, true},
		{"prefix", types.NamespacedName{Namespace: "kube-system", Name: "dev-warren"}, true},
		{"all", types.NamespacedName{Namespace: "mesh", Name: "devwarren2"}, true},
		{"renamed", types.NamespacedName{Namespace: "kube-system", Name: "tunnel"}, false},
	} {
		t.Run(overlay.name, func(t *testing.T) {
			account := f.applyOverlay(t, overlay.name)
			if account != overlay.account {
				t.Fatalf("the daemons run as %v, want %v", account, overlay.account)
			}
			f.token(t, "overlay", account, f.pod(t, own, account))
			if err := f.held(t); (err == nil) != overlay.held {
				t.Errorf("held: want %t, got: %v", overlay.held, err)
			}
			for _, a := range []attempt{
				{"another key", "overlay", own, false, newKey, allowed},
				{"network available", "overlay", own, true, networkAvailable, allowed},
				// Not even where the account is not recognised.
				{"another key", "overlay", other, false, newKey, foreignAnnotation},
			} {
				if err := f.failures(t.Context(), a, shipped); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// applyOverlay loads an overlay in the place of what was loaded before, and returns the account of its daemons, which
// has its rights by then.
func (f *fixture) applyOverlay(t *testing.T, name string) types.NamespacedName {
	t.Helper()
	f.Kubectl(t, "", "delete", "validatingadmissionpolicy,validatingadmissionpolicybinding",
		"--selector=app.kubernetes.io/component=policy")
	dir, err := filepath.Abs(filepath.Join("testdata", "overlays", name))
	if err != nil {
		t.Fatal(err)
	}
	ds := daemonSet(t, f.Kubectl(t, "", "apply", "--validate=strict", "--output=json", "-k", dir))
	account := types.NamespacedName{Namespace: ds.Namespace, Name: ds.Spec.Template.Spec.ServiceAccountName}
	inForce(t, f.Lab)
	lab.Wait(t, patience, "the rights of "+account.String(), func() error {
		ok, err := may(t, f.Lab, account, authorization.ResourceAttributes{Verb: "patch", Resource: "nodes",
			Subresource: "status", Version: "v1"})
		if err == nil && !ok {
			err = errors.New("it has none")
		}
		return err
	})
	return account
}

// held says whether a policy holds the overlay's account.
func (f *fixture) held(t *testing.T) error {
	return errors.Join(
		f.failures(t.Context(), attempt{"label", "overlay", own, false, label, otherMetadata}, shipped),
		f.failures(t.Context(), attempt{"label", "overlay", other, false, label, foreignNode}, shipped),
		f.failures(t.Context(), attempt{"not ready", "overlay", other, true, notReady, foreignNode}, shipped))
}
