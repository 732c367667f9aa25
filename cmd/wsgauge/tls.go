package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"wsgauge/internal/tlsconn"
)

// tlsFiles are the flags of a part that speaks TLS.
type tlsFiles struct{ cert, key, versions string }

func (f *tlsFiles) flags(c *cobra.Command) {
	c.Flags().StringVar(&f.cert, "tls-cert", "", "speak TLS to clients, with the certificate (and its chain) in this PEM `file`")
	c.Flags().StringVar(&f.key, "tls-key", "", "the certificate's private key, a PEM `file`")
	c.Flags().StringVar(&f.versions, "tls-versions", "1.2-1.3", "lowest and highest `version` of TLS")
}

// args are the flags again, for processes of the same kind.
func (f *tlsFiles) args() []string {
	if f.cert == "" {
		return []string{"--tls-versions", f.versions}
	}
	return []string{"--tls-cert", f.cert, "--tls-key", f.key, "--tls-versions", f.versions}
}

// options always let sessions be taken up again: that is the client's choice.
func (f *tlsFiles) options() (tlsconn.Options, error) {
	least, most, ok := strings.Cut(f.versions, "-")
	if !ok {
		most = least
	}
	for _, v := range []string{least, most} {
		if v != "1.2" && v != "1.3" {
			return tlsconn.Options{}, usage(fmt.Errorf("--tls-versions %s: want 1.2, 1.3 or 1.2-1.3", f.versions))
		}
	}
	return tlsconn.Options{Min: least, Max: most, Resumption: true}, nil
}

// server is the configuration for clients, nil when they are not to speak TLS.
func (f *tlsFiles) server() (*tls.Config, error) {
	if (f.cert == "") != (f.key == "") {
		return nil, usage(errors.New("--tls-cert and --tls-key go together: a certificate and its private key"))
	}
	o, err := f.options()
	if err != nil || f.cert == "" {
		return nil, err
	}
	return tlsconn.ServerConfig(f.cert, f.key, o)
}

// client is the configuration for a server that an authority in the file vouches
// for, nil without a file.
func (f *tlsFiles) client(ca string) (*tls.Config, error) {
	o, err := f.options()
	if err != nil || ca == "" {
		return nil, err
	}
	pem, err := os.ReadFile(ca)
	if err != nil {
		return nil, fmt.Errorf("reading the backend's authority: %w", err)
	}
	config, err := tlsconn.ClientConfig(pem, "", o)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", ca, err)
	}
	return config, nil
}
