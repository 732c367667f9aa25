// Package certs makes the certificates of a trial: an authority of its own, that
// nobody else trusts, and a certificate of it for the addresses on which the
// trial's servers listen. The authority's key is forgotten at once.
package certs

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

// Lifetime of both certificates: longer than any soak. They begin an hour before
// they are made, for machines whose clocks differ.
const (
	lifetime = 400 * 24 * time.Hour
	before   = time.Hour
)

// Files are where a trial's certificates lie, in PEM.
type Files struct {
	CA   string // the authority's certificate
	Cert string // the servers' certificate
	Key  string // its private key (PKCS #8)
}

// Make makes an authority and a certificate for localhost and the addresses, both
// ECDSA on P-256, and writes them to dir: ca.pem, cert.pem and key.pem, readable
// by their owner alone.
func Make(dir string, addrs []netip.Addr) (Files, error) {
	f := Files{CA: filepath.Join(dir, "ca.pem"), Cert: filepath.Join(dir, "cert.pem"), Key: filepath.Join(dir, "key.pem")}
	ca, caKey, err := issue(&x509.Certificate{
		Subject: pkix.Name{CommonName: "wsgauge trial authority"}, IsCA: true,
		BasicConstraintsValid: true, MaxPathLenZero: true, KeyUsage: x509.KeyUsageCertSign,
	}, nil, nil)
	if err != nil {
		return f, fmt.Errorf("making the trial's authority: %w", err)
	}
	template := &x509.Certificate{
		Subject: pkix.Name{CommonName: "wsgauge trial"}, DNSNames: []string{"localhost"},
		BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	for _, a := range addrs {
		template.IPAddresses = append(template.IPAddresses, net.IP(a.AsSlice()))
		// Apache compares the host of a URL with names alone, also when it is an address
		// (SSLProxyCheckPeerName; seen on 2.4.71). Nobody else looks here for an address.
		template.DNSNames = append(template.DNSNames, a.String())
	}
	leaf, key, err := issue(template, ca, caKey)
	if err != nil {
		return f, fmt.Errorf("making the trial's certificate: %w", err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return f, fmt.Errorf("encoding the trial's key: %w", err)
	}
	for _, b := range []struct {
		path, kind string
		bytes      []byte
	}{{f.CA, "CERTIFICATE", ca.Raw}, {f.Cert, "CERTIFICATE", leaf.Raw}, {f.Key, "PRIVATE KEY", secret}} {
		text := pem.EncodeToMemory(&pem.Block{Type: b.kind, Bytes: b.bytes})
		if err := os.WriteFile(b.path, text, 0o600); err != nil {
			return f, fmt.Errorf("writing the trial's certificates: %w", err)
		}
	}
	return f, nil
}

// issue makes a key and a certificate for it, signed by parent, or by itself when
// there is none.
func issue(template, parent *x509.Certificate, parentKey *ecdsa.PrivateKey) (*x509.Certificate, *ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	if template.SerialNumber, err = rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127)); err != nil {
		return nil, nil, err
	}
	now := time.Now()
	template.NotBefore, template.NotAfter = now.Add(-before), now.Add(lifetime)
	if parent == nil {
		parent, parentKey = template, key
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, parentKey)
	if err != nil {
		return nil, nil, err
	}
	cert, err := x509.ParseCertificate(raw)
	return cert, key, err
}
