package apache

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
)

// tlsVersions are those that a scenario can name, the lowest first.
var tlsVersions = []string{"1.2", "1.3"}

func (c *configuration) checkTLS() error {
	if !c.TLS.Frontend && !c.TLS.Backend {
		return nil
	}
	if c.site.Certificates == nil {
		return errors.New("preparing Apache: it is to speak TLS, and there are no certificates")
	}
	for _, path := range []string{c.site.Certificates.CA, c.site.Certificates.Cert, c.site.Certificates.Key} {
		if err := CheckPath(path); err != nil {
			return err
		}
	}
	if _, err := protocols(c.TLS.Min, c.TLS.Max); err != nil {
		return err
	}
	return nil
}

// protocols is the value of SSLProtocol and SSLProxyProtocol.
func protocols(least, most string) (string, error) {
	from, to := 0, len(tlsVersions)-1
	if least != "" {
		from = slices.Index(tlsVersions, least)
	}
	if most != "" {
		to = slices.Index(tlsVersions, most)
	}
	if from < 0 || to < 0 || from > to {
		return "", fmt.Errorf("tls: no version is from %q to %q (1.2 and 1.3 are known)", least, most)
	}
	text := "-all"
	for _, v := range tlsVersions[from : to+1] {
		text += " +TLSv" + v
	}
	return text, nil
}

// writeTLS has the server speak TLS with clients, with the backend or with both.
func (c *configuration) writeTLS(w *writer) {
	if !c.TLS.Frontend && !c.TLS.Backend {
		return
	}
	versions, _ := protocols(c.TLS.Min, c.TLS.Max) // checkTLS has seen to the error
	files := c.site.Certificates
	w.line("")
	if c.TLS.Frontend {
		w.line("# Clients connect by wss. They may resume by a ticket, or by the cache in shared memory.")
		w.line("SSLEngine On")
		w.line("SSLProtocol %s", versions)
		w.line("SSLCertificateFile \"%s\"", files.Cert)
		w.line("SSLCertificateKeyFile \"%s\"", files.Key)
		w.line("SSLSessionCache \"shmcb:%s(512000)\"", filepath.Join(c.runDir(), "sessions"))
		w.line("SSLSessionCacheTimeout 300")
		w.line("SSLSessionTickets On")
	}
	if c.TLS.Backend {
		w.line("# The backend is asked who it is.")
		w.line("SSLProxyEngine On")
		w.line("SSLProxyProtocol %s", versions)
		w.line("SSLProxyCACertificateFile \"%s\"", files.CA)
		w.line("SSLProxyVerify require")
		w.line("SSLProxyCheckPeerName On")
		w.line("SSLProxyCheckPeerExpire On")
	}
}
