package manifests_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// verdict is what becomes of a request: a part of the message with which it is denied, or one of these.
type verdict string

const (
	allowed verdict = ""
	// ignored: the API server answers as if nothing had been asked for.
	ignored verdict = "(ignored)"
	// or is between two messages.
	or = " or: "
)

// attempt is a change of a Node, made in every encoding.
type attempt struct {
	name string
	// as is a client of the fixture, node the Node that it writes to.
	as, node string
	// status is whether it is made through the subresource.
	status bool
	change change
	want   verdict
}

func (a attempt) String() string {
	path := a.node
	if a.status {
		path += "/status"
	}
	return fmt.Sprintf("%s by %s on %s", a.name, a.as, path)
}

// trial is an attempt on a Node as it is now.
type trial struct {
	attempt
	granted       rights
	before, after *corev1.Node
}

// failures says in which encodings an attempt does not end as it should.
func (f *fixture) failures(ctx context.Context, a attempt, granted rights) error {
	before, err := f.admin.Nodes().Get(ctx, a.node, metav1.GetOptions{})
	if err != nil {
		return err
	}
	before.TypeMeta = metav1.TypeMeta{APIVersion: "v1", Kind: "Node"}
	t := trial{a, granted, before, before.DeepCopy()}
	t.change(t.after)
	var errs []error
	for _, e := range encodings {
		body, err := e.body(t.before, t.after)
		if err == nil && body != nil {
			err = f.try(ctx, t, e, body)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%v, %s: %w", a, e.name, err))
		}
	}
	return errors.Join(errs...)
}

func (f *fixture) try(ctx context.Context, t trial, e encoding, body []byte) error {
	request := f.clients[t.as].Verb(e.method).Resource("nodes").Name(t.node).Param("dryRun", "All")
	if t.status {
		request.SubResource("status")
	}
	if e.contentType == types.ApplyPatchType {
		// Not warren: what it has applied and does not apply here would be removed.
		request.Param("force", "true").Param("fieldManager", "attempt")
	}
	got := &corev1.Node{}
	err := request.SetHeader("Content-Type", string(e.contentType)).SetHeader("Accept",
		"application/json").Body(body).Do(ctx).Into(got)
	if t.granted == shipped && e.method == http.MethodPut && f.isWarren(t.as) {
		return wantDenied(err, "cannot update resource")
	}
	switch t.want {
	case allowed:
		return wantNode(t.after, got, err, cmpopts.IgnoreFields(metav1.ObjectMeta{}, "ManagedFields"))
	case ignored:
		return wantNode(t.before, got, err)
	default:
		return wantDenied(err, string(t.want))
	}
}

// isWarren is whether the client has a token of warren's account.
func (f *fixture) isWarren(client string) bool {
	return client != "admin" && client != "stranger" && client != "named" && !strings.HasPrefix(client, "kubelet")
}

func wantDenied(err error, messages string) error {
	if err == nil {
		return errors.New("allowed")
	}
	for message := range strings.SplitSeq(messages, or) {
		if strings.Contains(err.Error(), message) {
			return nil
		}
	}
	return fmt.Errorf("want a denial because %q, got: %w", messages, err)
}

func wantNode(want, got *corev1.Node, err error, options ...cmp.Option) error {
	if err != nil {
		return err
	}
	options = append(options, cmpopts.EquateEmpty(), cmpopts.IgnoreTypes(metav1.TypeMeta{}),
		cmpopts.IgnoreFields(metav1.ObjectMeta{}, "ResourceVersion"))
	if diff := cmp.Diff(want, got, options...); diff != "" {
		return fmt.Errorf("the answer is (-want +got):\n%s", diff)
	}
	return nil
}

// wrong is everything that does not end as it should.
func (f *fixture) wrong(ctx context.Context, granted rights) iter.Seq[error] {
	return func(yield func(error) bool) {
		for _, r := range requests() {
			if err := f.failure(ctx, r, granted); err != nil && !yield(err) {
				return
			}
		}
		for _, a := range tellings() {
			if err := f.told(ctx, a); err != nil && !yield(err) {
				return
			}
		}
		for _, r := range eventRequests() {
			if err := f.eventFailure(ctx, r, granted); err != nil && !yield(err) {
				return
			}
		}
		for _, a := range attempts() {
			if err := f.failures(ctx, a, granted); err != nil && !yield(err) {
				return
			}
		}
	}
}

// testPolicies tries everything twice: what the shipped role denies anyway, a policy has to deny, too.
func testPolicies(t *testing.T, f *fixture) {
	for _, granted := range []rights{shipped, everything} {
		t.Run(string(granted), func(t *testing.T) {
			if granted == everything {
				allowEverything(t, f.Lab, warren)
			}
			for err := range f.wrong(t.Context(), granted) {
				t.Error(err)
			}
		})
	}
}
