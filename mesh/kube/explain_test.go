package kube

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestExplain(t *testing.T) {
	get := func(err error) error {
		return &url.Error{Op: "Get", URL: "https://192.0.2.1:6443/api/v1/nodes?resourceVersion=7", Err: err}
	}
	reset := &net.OpError{
		Op: "read", Net: "tcp", Err: errors.New("connection reset by peer"),
		Source: &net.TCPAddr{IP: net.IPv4(192, 0, 2, 9), Port: 40001},
		Addr:   &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 6443},
	}
	tooLarge := apierrors.NewTimeoutError("Too large resource version: 9, current: 3", 1)
	tooLarge.ErrStatus.Details.Causes = []metav1.StatusCause{{Type: metav1.CauseTypeResourceVersionTooLarge}}
	for _, test := range []struct {
		name string
		err  error
		want string
	}{
		{"refused", get(refused), "dial: connect: connection refused"},
		{"reset, without our port", get(reset), "read: connection reset by peer"},
		{"name",
			get(&net.OpError{Op: "dial", Err: &net.DNSError{Name: "api.example", Server: "192.0.2.53:53",
				Err: "read udp 192.0.2.9:40001->192.0.2.53:53: i/o timeout"}}),
			"its name api.example cannot be looked up"},
		{"certificate", get(x509.UnknownAuthorityError{}), "x509: certificate signed by unknown authority"},
		{"closed, without the revision", get(io.EOF), "EOF"},
		{"wrapped", fmt.Errorf("list: %w", get(io.EOF)), "EOF"},
		{"anything else", errors.New("no idea"), "no idea"},
		{"revision gone", apierrors.NewResourceExpired("too old resource version: 1 (9)"), ""},
		{"gone", apierrors.NewGone("gone"), ""},
		{"revision not reached", tooLarge, ""},
	} {
		if got := explain(test.err); got != test.want {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
}
