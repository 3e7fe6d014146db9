package lab

import (
	"strings"

	"k8s.io/client-go/rest"

	"warren.mesh/test/lab/pki"
)

// As is the way to the API server for a user with a client certificate, as kubelets have one: user system:node:NAME in
// group system:nodes.
func (l *Lab) As(t TB, user string, groups ...string) *rest.Config {
	t.Helper()
	file := "user-" + strings.ReplaceAll(user, ":", "-")
	if err := l.authority.Issue(pki.Subject{File: file, CommonName: user, Organizations: groups}); err != nil {
		t.Fatalf("%v", err)
	}
	c := rest.AnonymousClientConfig(l.config)
	c.CertFile, c.KeyFile = l.authority.File(file+".crt"), l.authority.File(file+".key")
	return c
}

// AsToken is the way to the API server for the bearer of a token.
func (l *Lab) AsToken(token string) *rest.Config {
	c := rest.AnonymousClientConfig(l.config)
	c.BearerToken = token
	return c
}
