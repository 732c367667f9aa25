// Package bus carries JSON messages between the controller and its agents over
// NATS. The controller embeds a server on loopback with a random credential, or
// uses an existing cluster by its URL; the code on both sides is the same.
package bus

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

// maxPayload bounds one message: a step's histograms are some tens of kilobytes.
const maxPayload = 8 << 20

// Server is an embedded NATS server.
type Server struct {
	nats *server.Server
	url  string
}

// StartServer starts a server on a free port of 127.0.0.1 and waits until it
// accepts clients. Who does not have its URL, which holds the credential, is
// refused.
func StartServer() (*Server, error) {
	token := rand.Text()
	s, err := server.NewServer(&server.Options{
		ServerName: "wsgauge", Host: "127.0.0.1", Port: server.RANDOM_PORT,
		Authorization: token, MaxPayload: maxPayload, NoLog: true, NoSigs: true,
		// Debug, profiling and monitoring ports stay closed.
	})
	if err != nil {
		return nil, fmt.Errorf("embedded NATS server: %w", err)
	}
	s.Start()
	if !s.ReadyForConnections(10 * time.Second) {
		s.Shutdown()
		return nil, errors.New("embedded NATS server: not ready within 10 s")
	}
	u, err := url.Parse(s.ClientURL())
	if err != nil {
		s.Shutdown()
		return nil, fmt.Errorf("embedded NATS server: %w", err)
	}
	u.User = url.User(token)
	return &Server{nats: s, url: u.String()}, nil
}

// URL is where clients connect; it holds the credential.
func (s *Server) URL() string { return s.url }

// Close ends the server and waits for its connections to be gone.
func (s *Server) Close() {
	s.nats.Shutdown()
	s.nats.WaitForShutdown()
}

// Conn is one client of the bus.
type Conn struct {
	nats   *nats.Conn
	closed chan struct{}
}

// Connect joins the bus; name is what the server calls this client. A connection
// that is lost is not taken up again: what was measured without its controller
// has no home.
func Connect(url, name string) (*Conn, error) {
	c := &Conn{closed: make(chan struct{})}
	nc, err := nats.Connect(url, nats.Name(name), nats.NoReconnect(), nats.Timeout(5*time.Second),
		nats.ClosedHandler(func(*nats.Conn) { close(c.closed) }))
	if err != nil {
		return nil, fmt.Errorf("connecting to NATS at %s: %w", redact(url), err)
	}
	c.nats = nc
	return c, nil
}

// Closed is closed when the connection has ended, from whichever side.
func (c *Conn) Closed() <-chan struct{} { return c.closed }

// Close sends what is buffered and ends the connection.
func (c *Conn) Close() error {
	err := c.nats.Flush()
	c.nats.Close()
	<-c.closed
	if errors.Is(err, nats.ErrConnectionClosed) {
		return nil
	}
	return err
}

// Send publishes v as JSON.
func (c *Conn) Send(subject string, v any) error {
	p, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("message for %s: %w", subject, err)
	}
	if err := c.nats.Publish(subject, p); err != nil {
		return fmt.Errorf("sending to %s: %w", subject, err)
	}
	return c.nats.FlushTimeout(5 * time.Second)
}

// Receive calls f for every message on a subject, one after another, from a
// goroutine that ends with the connection or with stop. A message that does not
// decode goes to bad. The subscription is in force at the server when Receive
// returns.
func Receive[T any](c *Conn, subject string, f func(T), bad func(error)) (stop func() error, err error) {
	sub, err := c.nats.Subscribe(subject, func(m *nats.Msg) {
		var v T
		if err := json.Unmarshal(m.Data, &v); err != nil {
			bad(fmt.Errorf("message on %s: %w", subject, err))
			return
		}
		f(v)
	})
	if err != nil {
		return nil, fmt.Errorf("subscribing to %s: %w", subject, err)
	}
	return sub.Unsubscribe, c.nats.FlushTimeout(5 * time.Second)
}

func redact(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return "the URL given"
	}
	u.User = nil // the credential
	return u.String()
}
