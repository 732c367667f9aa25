package certs

import (
	"crypto/tls"
	"crypto/x509"
	"net/netip"
	"os"
	"testing"
)

func TestMake(t *testing.T) {
	f, err := Make(t.TempDir(), []netip.Addr{netip.MustParseAddr("127.1.2.3"), netip.MustParseAddr("::1")})
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{f.CA, f.Cert, f.Key} {
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", path, info.Mode(), err)
		}
	}
	pair, err := tls.LoadX509KeyPair(f.Cert, f.Key)
	if err != nil {
		t.Fatal(err)
	}
	ca, err := os.ReadFile(f.CA)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	for name, trusted := range map[string]bool{"127.1.2.3": true, "[::1]": true, "localhost": true, "127.1.2.4": false, "example.org": false} {
		if _, err := pair.Leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: name}); (err == nil) != trusted {
			t.Errorf("%s: %v", name, err)
		}
	}
	other, err := Make(t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := tls.LoadX509KeyPair(other.Cert, other.Key)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := theirs.Leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: "localhost"}); err == nil {
		t.Error("one trial trusts the certificate of another")
	}
}
