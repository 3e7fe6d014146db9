package kube

import (
	"errors"
	"net"
	"net/url"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// explain tells an operator why the API server cannot be read. The same failure gives the same text: no local port
// numbers, no URLs, no revisions. It is empty for what client-go corrects with its next request.
func explain(err error) string {
	switch {
	case passing(err):
		return ""
	case apierrors.IsUnauthorized(err):
		return "it does not accept our credentials: check the ServiceAccount's token or the kubeconfig"
	case apierrors.IsForbidden(err):
		return bothVerbs.Replace(err.Error()) + ": apply warren's ClusterRole"
	}
	return transportReason(err)
}

// bothVerbs names both verbs in the API server's sentence. Where both are denied, lists and watches alternate, and so
// would the text.
var bothVerbs = strings.NewReplacer(
	" cannot list resource ", " cannot list and watch resource ",
	" cannot watch resource ", " cannot list and watch resource ",
)

// passing reports whether err says nothing about the API server's state: an old server cannot stream a list (422), the
// revision to resume from is gone (410), or a server that has just started has not reached it yet.
func passing(err error) bool {
	return apierrors.IsInvalid(err) || apierrors.IsGone(err) || apierrors.IsResourceExpired(err) ||
		apierrors.HasStatusCause(err, metav1.CauseTypeResourceVersionTooLarge)
}

func transportReason(err error) string {
	if e, ok := errors.AsType[*net.DNSError](err); ok {
		return "its name " + e.Name + " cannot be looked up"
	}
	if e, ok := errors.AsType[*net.OpError](err); ok {
		return e.Op + ": " + e.Err.Error()
	}
	if e, ok := errors.AsType[*url.Error](err); ok {
		return e.Err.Error()
	}
	return err.Error()
}
