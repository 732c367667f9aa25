package bus

import (
	"net/url"
	"strings"
	"testing"
	"time"
)

func serve(t *testing.T) (*Server, *Conn) {
	t.Helper()
	s, err := StartServer()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	c, err := Connect(s.URL(), "test")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return s, c
}

func within[T any](t *testing.T, what string, c <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(10 * time.Second):
		t.Fatalf("%s did not come", what)
	}
	return v
}

type note struct {
	N    int
	Text string
}

func TestMessagesArriveInOrder(t *testing.T) {
	s, c := serve(t)
	got, bad := make(chan note, 100), make(chan error, 1)
	stop, err := Receive(c, "a.b", func(n note) { got <- n }, func(err error) { bad <- err })
	if err != nil {
		t.Fatal(err)
	}
	other, err := Connect(s.URL(), "other")
	if err != nil {
		t.Fatal(err)
	}
	large := strings.Repeat("x", 2<<20) // above NATS's own default of 1 MiB
	for i := range 10 {
		if err := other.Send("a.b", note{i, large}); err != nil {
			t.Fatal(err)
		}
	}
	if err := other.Send("a.c", note{99, ""}); err != nil { // another subject
		t.Fatal(err)
	}
	for i := range 10 {
		if n := within(t, "a message", got); n.N != i || n.Text != large {
			t.Fatalf("message %d (%d bytes), want %d (%d)", n.N, len(n.Text), i, len(large))
		}
	}
	if err := other.nats.Publish("a.b", []byte("{")); err != nil {
		t.Fatal(err)
	}
	if err := within(t, "the error", bad); !strings.Contains(err.Error(), "a.b") {
		t.Errorf("%v", err)
	}
	if err := other.Close(); err != nil {
		t.Error(err)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
	if err := c.Send("a.b", note{}); err != nil {
		t.Error(err)
	}
	select {
	case n := <-got:
		t.Errorf("%+v came after the end of the subscription", n)
	case <-time.After(50 * time.Millisecond):
	}
}

func TestCredentialIsNeededAndNotShown(t *testing.T) {
	s, _ := serve(t)
	u, err := url.Parse(s.URL())
	if err != nil {
		t.Fatal(err)
	}
	secret := u.User.Username()
	if len(secret) < 20 || u.Hostname() != "127.0.0.1" {
		t.Errorf("credential of %d characters at %s", len(secret), u.Hostname())
	}
	for _, user := range []*url.Userinfo{nil, url.User("wrong" + secret[:5])} {
		u.User = user
		c, err := Connect(u.String(), "stranger")
		if err == nil {
			c.Close()
			t.Fatalf("%v was let in", user)
		}
		if strings.Contains(err.Error(), "wrong") {
			t.Errorf("the error shows the credential: %v", err)
		}
	}
}

func TestEndOfTheServerIsNoticed(t *testing.T) {
	s, c := serve(t)
	s.Close()
	within(t, "the end", c.Closed())
	if err := c.Send("a", note{}); err == nil {
		t.Error("sent to nobody")
	}
}
