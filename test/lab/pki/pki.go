// Package pki makes the throw-away certificates and kubeconfigs of a lab's control plane.
package pki

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"time"
)

// Authority is a certificate authority whose files are in a directory of its own.
type Authority struct {
	// Dir holds NAME.crt and NAME.key of everything issued, ca.crt, and the token signing key: sa.key, sa.pub.
	Dir string

	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

// Subject says whom a certificate is for.
type Subject struct {
	// File is the name of the files without their extension.
	File string
	// CommonName is Kubernetes' user name, Organizations its groups.
	CommonName    string
	Organizations []string
	// Names and Addrs are what a server is called.
	Names []string
	Addrs []netip.Addr
}

// lifetime is far longer than a lab's life.
const lifetime = 7 * 24 * time.Hour

// New makes an authority and the token signing key in dir.
func New(dir string) (*Authority, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make a certificate authority: %w", err)
	}
	a := &Authority{Dir: dir}
	template := a.template(Subject{CommonName: "lab"})
	template.IsCA, template.BasicConstraintsValid, template.KeyUsage = true, true, x509.KeyUsageCertSign
	if err := a.self(template); err != nil {
		return nil, fmt.Errorf("make a certificate authority: %w", err)
	}
	if err := a.signingKey(); err != nil {
		return nil, fmt.Errorf("make a token signing key: %w", err)
	}
	return a, nil
}

func (a *Authority) self(template *x509.Certificate) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return err
	}
	if a.certificate, err = x509.ParseCertificate(der); err != nil {
		return err
	}
	a.key = key
	return writePEM(a.File("ca.crt"), "CERTIFICATE", der)
}

func (a *Authority) signingKey() error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	if err := a.writeKey("sa.key", key); err != nil {
		return err
	}
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return err
	}
	return writePEM(a.File("sa.pub"), "PUBLIC KEY", der)
}

// Issue writes the subject's key and certificate, good for servers and clients.
func (a *Authority) Issue(s Subject) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fmt.Errorf("issue a certificate for %s: %w", s.CommonName, err)
	}
	der, err := x509.CreateCertificate(rand.Reader, a.template(s), a.certificate, key.Public(), a.key)
	if err != nil {
		return fmt.Errorf("issue a certificate for %s: %w", s.CommonName, err)
	}
	if err := a.writeKey(s.File+".key", key); err != nil {
		return err
	}
	return writePEM(a.File(s.File+".crt"), "CERTIFICATE", der)
}

// File is the path of one of the authority's files.
func (a *Authority) File(name string) string { return filepath.Join(a.Dir, name) }

func (a *Authority) template(s Subject) *x509.Certificate {
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		panic("pki: the system has no randomness: " + err.Error())
	}
	template := &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: s.CommonName, Organization: s.Organizations},
		DNSNames:     s.Names,
		// An hour early, for clocks that are set back while a lab runs.
		NotBefore:   time.Now().Add(-time.Hour),
		NotAfter:    time.Now().Add(lifetime),
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	for _, addr := range s.Addrs {
		template.IPAddresses = append(template.IPAddresses, net.IP(addr.AsSlice()))
	}
	return template
}

func (a *Authority) writeKey(name string, key *ecdsa.PrivateKey) error {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	return writePEM(a.File(name), "PRIVATE KEY", der)
}

func writePEM(path, kind string, der []byte) error {
	return os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600)
}
