package targettest

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"time"

	"wsgauge/internal/tlsconn"
)

// Tunnel is an upgraded connection of a client.
type Tunnel struct {
	net.Conn
	in *bufio.Reader
}

func (r *Running) config() (*tls.Config, error) {
	if !r.front {
		return nil, nil
	}
	ca, err := os.ReadFile(r.Site.Certificates.CA)
	if err != nil {
		return nil, err
	}
	return tlsconn.ClientConfig(ca, r.Addrs[0].Addr().String(), tlsconn.Options{})
}

// Dial connects and sends the request to upgrade, and reads no answer.
func (r *Running) Dial() (*Tunnel, error) {
	conn, err := net.DialTimeout("tcp", r.Addrs[0].String(), Patience)
	if err != nil {
		return nil, err
	}
	config, err := r.config()
	if err != nil {
		return nil, err
	}
	if config != nil {
		conn = tls.Client(conn, config)
	}
	_, err = fmt.Fprintf(conn, "GET /a%%20b?c=%%2F HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", r.Addrs[0])
	return &Tunnel{conn, bufio.NewReader(conn)}, err
}

// Upgraded waits for the answer, which has to be a 101.
func (c *Tunnel) Upgraded(within time.Duration) error {
	if err := c.SetReadDeadline(time.Now().Add(within)); err != nil {
		return err
	}
	answer, err := http.ReadResponse(c.in, nil)
	if err != nil {
		return err
	}
	if answer.StatusCode != http.StatusSwitchingProtocols {
		return fmt.Errorf("the upgrade was answered with %s", answer.Status)
	}
	return nil
}

// Open makes n tunnels, each proved by an echo, and closes them when the test ends.
func (r *Running) Open(n int) []*Tunnel {
	r.t.Helper()
	var all []*Tunnel
	for i := range n {
		c, err := r.Dial()
		if err == nil {
			err = c.Upgraded(Patience)
		}
		if err == nil {
			err = c.Echo()
		}
		if err != nil {
			r.t.Fatalf("tunnel %d: %v", i, err)
		}
		r.t.Cleanup(func() { c.Close() }) // it may have ended
		all = append(all, c)
	}
	return all
}

// Echo sends a message and waits for it to come back.
func (c *Tunnel) Echo() error {
	const text = "hello"
	if err := c.SetDeadline(time.Now().Add(Patience)); err != nil {
		return err
	}
	// A whole text frame with a mask of zeros (RFC 6455 section 5.2).
	if _, err := c.Write(append([]byte{0x81, 0x80 | byte(len(text)), 0, 0, 0, 0}, text...)); err != nil {
		return err
	}
	answer := make([]byte, 2+len(text))
	if _, err := io.ReadFull(c.in, answer); err != nil {
		return err
	}
	if want := append([]byte{0x81, byte(len(text))}, text...); string(answer) != string(want) {
		return fmt.Errorf("%q came back, want %q", answer, want)
	}
	return nil
}

// Ended waits for the other side's end and tells how long that took; nothing may come
// before it but a close frame.
func (c *Tunnel) Ended(within time.Duration) (time.Duration, error) {
	begun := time.Now()
	if err := c.SetReadDeadline(begun.Add(within)); err != nil {
		return 0, err
	}
	_, err := io.Copy(io.Discard, c.in)
	if e, ok := err.(net.Error); ok && e.Timeout() {
		return 0, fmt.Errorf("it is open after %v", within)
	}
	return time.Since(begun), nil // however it ended
}

// Get makes a plain request over a connection of its own.
func (r *Running) Get(path string) (*http.Response, string, error) {
	config, err := r.config()
	if err != nil {
		return nil, "", err
	}
	scheme := "http"
	if r.front {
		scheme = "https"
	}
	client := &http.Client{Timeout: Patience, Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: config}}
	answer, err := client.Get(fmt.Sprintf("%s://%s%s", scheme, r.Addrs[0], path))
	if err != nil {
		return nil, "", err
	}
	defer answer.Body.Close() // read to its end
	body, err := io.ReadAll(answer.Body)
	return answer, string(body), err
}
