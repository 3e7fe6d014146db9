package manifests_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	authorization "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	client "k8s.io/client-go/kubernetes/typed/authorization/v1"

	"warren.mesh/test/lab"
)

// patience is for what the API server does by itself after a request, on a machine that is busy with other tests.
const patience = 60 * time.Second

// rights are what RBAC lets warren's account do.
type rights string

const (
	shipped rights = "the shipped role"
	// everything on Nodes, all that belongs to them, and Events: what is denied then, a policy denies.
	everything rights = "a role for everything"
)

const everythingRole = `
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: test-everything}
rules:
- {apiGroups: [""], resources: [nodes, nodes/status, nodes/proxy, events], verbs: ["*"]}
- {apiGroups: [events.k8s.io], resources: [events], verbs: ["*"]}
`

// allowEverything gives an account all rights on Nodes, and waits until it has them.
func allowEverything(t *testing.T, l *lab.Lab, account types.NamespacedName) {
	t.Helper()
	l.Kubectl(t, everythingRole+fmt.Sprintf(`---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: test-everything-%[1]s-%[2]s}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: test-everything}
subjects: [{kind: ServiceAccount, namespace: %[1]q, name: %[2]q}]
`, account.Namespace, account.Name), "apply", "--filename=-")
	lab.Wait(t, patience, "all rights for "+account.String(), func() error {
		ok, err := may(t, l, account, authorization.ResourceAttributes{Verb: "delete", Resource: "nodes",
			Subresource: "proxy", Version: "v1"})
		if err == nil && !ok {
			err = errors.New("not yet")
		}
		return err
	})
}

// may asks the API server's authorizer.
func may(t *testing.T, l *lab.Lab, account types.NamespacedName, what authorization.ResourceAttributes) (bool, error) {
	t.Helper()
	reviews, err := client.NewForConfig(l.Config())
	if err != nil {
		return false, err
	}
	review := &authorization.SubjectAccessReview{Spec: authorization.SubjectAccessReviewSpec{
		User: "system:serviceaccount:" + account.Namespace + ":" + account.Name,
		Groups: []string{"system:serviceaccounts", "system:serviceaccounts:" + account.Namespace,
			"system:authenticated"},
		ResourceAttributes: &what,
	}}
	answer, err := reviews.SubjectAccessReviews().Create(t.Context(), review, metav1.CreateOptions{})
	if err != nil {
		return false, err
	}
	return answer.Status.Allowed, nil
}
