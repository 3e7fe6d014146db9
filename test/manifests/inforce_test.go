package manifests_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"warren.mesh/test/lab"
)

var canaries atomic.Int64

// inForce waits until the API server goes by the policies and bindings that were written before. It looks at them once
// a second, in the order in which they were written, and does not say when: a policy and a binding of this test's own
// are the last.
func inForce(t *testing.T, l *lab.Lab) {
	t.Helper()
	name := fmt.Sprintf("test-canary-%d", canaries.Add(1))
	l.Kubectl(t, fmt.Sprintf(`
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: %[1]s}
spec:
  matchConstraints:
    resourceRules:
    - {apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [configmaps]}
  validations:
  - expression: object.metadata.name != '%[1]s'
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: %[1]s}
spec: {policyName: %[1]s, validationActions: [Deny]}
`, name), "create", "--filename=-")
	lab.Wait(t, patience, "the policies to be in force", func() error { return canarySings(t.Context(), l, name) })
	l.Kubectl(t, "", "delete", "validatingadmissionpolicy,validatingadmissionpolicybinding", name)
}

func canarySings(ctx context.Context, l *lab.Lab, name string) error {
	c := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name}}
	_, err := l.Core().ConfigMaps("default").Create(ctx, c, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
	if err == nil {
		return errors.New("not yet")
	}
	return nil
}
