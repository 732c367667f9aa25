package tlsconn

import (
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
)

// Versions names the versions of TLS that there are, as scenarios write them.
var versions = map[string]uint16{"1.2": tls.VersionTLS12, "1.3": tls.VersionTLS13}

// Options are what both ends of a connection choose.
type Options struct {
	Min, Max string // "1.2" or "1.3"; empty: 1.2 and 1.3
	// Resumption lets a client take up sessions that it had before (RFC 8446
	// section 2.2), and a server offer it.
	Resumption bool
}

// sessions bounds what a client remembers. All connections to one name share an
// entry, so it is more than enough.
const sessions = 64

func (o Options) config() (*tls.Config, error) {
	c := &tls.Config{
		MinVersion: tls.VersionTLS12, MaxVersion: tls.VersionTLS13,
		// The same on every leg of every target: post-quantum key exchange, which
		// not every proxy has, would make those look slow that do.
		CurvePreferences: []tls.CurveID{tls.X25519, tls.CurveP256},
		// A record is a system call's worth: the loop has its own idea of pieces.
		DynamicRecordSizingDisabled: true,
		SessionTicketsDisabled:      !o.Resumption,
	}
	for _, v := range []struct {
		text string
		to   *uint16
	}{{o.Min, &c.MinVersion}, {o.Max, &c.MaxVersion}} {
		if v.text == "" {
			continue
		}
		known, ok := versions[v.text]
		if !ok {
			return nil, fmt.Errorf("tls: there is no version %q; give 1.2 or 1.3", v.text)
		}
		*v.to = known
	}
	if c.MinVersion > c.MaxVersion {
		return nil, errors.New("tls: the lowest version is above the highest")
	}
	return c, nil
}

// ClientConfig is the configuration of a client that trusts the authorities in ca
// (PEM) alone, or with none the system's, and wants the server to be name, a host name
// or an address.
func ClientConfig(ca []byte, name string, o Options) (*tls.Config, error) {
	c, err := o.config()
	if err != nil {
		return nil, err
	}
	c.ServerName = name
	c.NextProtos = []string{"http/1.1"} // as browsers say for wss
	if len(ca) > 0 {
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(ca) {
			return nil, errors.New("tls: there is no certificate of an authority in what was given as such (PEM)")
		}
	}
	if o.Resumption {
		c.ClientSessionCache = tls.NewLRUClientSessionCache(sessions)
	}
	return c, nil
}

// ServerConfig is the configuration of a server with a certificate and its key
// (PEM files). Servers with the same key take each other's session tickets.
func ServerConfig(certFile, keyFile string, o Options) (*tls.Config, error) {
	c, err := o.config()
	if err != nil {
		return nil, err
	}
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		return nil, fmt.Errorf("tls: loading the certificate %s with its key %s: %w", certFile, keyFile, err)
	}
	c.Certificates = []tls.Certificate{pair}
	c.NextProtos = []string{"http/1.1"}
	secret, err := os.ReadFile(keyFile)
	if err != nil {
		return nil, fmt.Errorf("tls: reading the key: %w", err)
	}
	var ticket [32]byte
	derived, err := hkdf.Key(sha256.New, secret, nil, "wsgauge session tickets", len(ticket))
	if err != nil {
		return nil, fmt.Errorf("tls: deriving the key of session tickets: %w", err)
	}
	copy(ticket[:], derived)
	c.SetSessionTicketKeys([][32]byte{ticket})
	return c, nil
}
