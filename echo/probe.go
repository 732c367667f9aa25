package echo

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"time"

	"github.com/gobwas/ws"
)

const (
	probeLength = 64          // bytes of the message; long enough to be nobody else's
	probeFrames = 64          // frames looked at before it is given up
	probeLimit  = 4 << 10     // payload of one of them
	probeEnd    = time.Second // wait for the other side's FIN after the closes
)

// ProbeError says in which phase a probe failed.
type ProbeError struct {
	URL   string
	Addr  netip.AddrPort // what was dialled
	Phase string         // address, dial, tls, upgrade, echo or close
	// Status is the answer to the upgrade when it was not 101; 0 otherwise.
	Status int
	Err    error
}

// Error names the phase, the address and the cause.
func (e *ProbeError) Error() string {
	return fmt.Sprintf("probe of %s at %v: %s: %v", e.URL, e.Addr, e.Phase, e.Err)
}

// Unwrap returns the cause.
func (e *ProbeError) Unwrap() error { return e.Err }

// Probe proves that an echo can be had through addr now: it connects, from source
// when that is valid, upgrades ws://host/path, has a random message echoed, and
// ends with a close handshake and the other side's FIN, all before ctx ends. An
// empty host is addr, an empty path "/". It blocks, and it leaves nothing open;
// that no FIN comes within a second of the closes is no error. What fails is a
// [*ProbeError].
func Probe(ctx context.Context, addr netip.AddrPort, host, path string, source netip.Addr) error {
	return ProbeTLS(ctx, addr, host, path, source, nil)
}

// ProbeTLS is [Probe] through wss://, with a handshake by config; nil: ws://.
func ProbeTLS(ctx context.Context, addr netip.AddrPort, host, path string, source netip.Addr, config *tls.Config) error {
	return ProbeWith(ctx, addr, host, path, source, config, nil)
}

// ProbeWith is [ProbeTLS] with further header fields; they are in no error.
func ProbeWith(ctx context.Context, addr netip.AddrPort, host, path string, source netip.Addr, config *tls.Config, header http.Header) error {
	if host == "" {
		host = addr.String()
	}
	if path == "" {
		path = "/"
	}
	fail := &ProbeError{URL: "ws://" + host + path, Addr: addr}
	if config != nil {
		fail.URL = "wss://" + host + path
	}
	failed := func(phase string, err error) error {
		if cause := context.Cause(ctx); cause != nil {
			err = fmt.Errorf("no answer in time: %w", cause) // the socket only says that it was given up
		}
		fail.Phase, fail.Err = phase, err
		return fail
	}
	u, err := url.ParseRequestURI(fail.URL)
	if err != nil {
		return failed("address", err)
	}
	var d net.Dialer
	if source.IsValid() {
		d.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(source, 0))
	}
	socket, err := d.DialContext(ctx, "tcp", addr.String())
	if err != nil {
		return failed("dial", err)
	}
	defer socket.Close()
	defer context.AfterFunc(ctx, func() { socket.SetDeadline(time.Unix(1, 0)) })()

	stream := socket
	if config != nil {
		secure := tls.Client(socket, config)
		if err := secure.HandshakeContext(ctx); err != nil {
			return failed("tls", err)
		}
		stream = secure
	}
	early, _, err := ws.Dialer{Header: ws.HandshakeHeaderHTTP(header)}.Upgrade(stream, u)
	if err != nil {
		var status ws.StatusError
		if errors.As(err, &status) {
			fail.Status = int(status)
			err = fmt.Errorf("answered with status %d instead of 101", fail.Status)
		}
		return failed("upgrade", err)
	}
	p := probe{socket: stream, from: stream}
	p.until, _ = ctx.Deadline()
	if early != nil { // frames that came together with the 101
		p.from = early
	}
	if err := p.echo(); err != nil {
		return failed("echo", err)
	}
	if err := p.close(); err != nil {
		return failed("close", err)
	}
	return nil
}

type probe struct {
	socket net.Conn
	from   io.Reader
	until  time.Time // zero when there is no limit
}

// echo sends one random message and waits for it; others are passed over.
func (p *probe) echo() error {
	message := make([]byte, probeLength)
	rand.Read(message) // never fails
	if err := p.send(ws.NewBinaryFrame(bytes.Clone(message))); err != nil {
		return fmt.Errorf("sending: %w", err)
	}
	for range probeFrames {
		f, err := p.receive()
		switch {
		case err != nil:
			return fmt.Errorf("waiting for the message: %w", err)
		case f.Header.OpCode == ws.OpClose:
			code, reason := ws.ParseCloseFrameData(f.Payload)
			return fmt.Errorf("closed with code %d %q instead", code, reason)
		case f.Header.OpCode == ws.OpBinary && f.Header.Fin && bytes.Equal(f.Payload, message):
			return nil
		}
	}
	return fmt.Errorf("the message was not among the first %d frames", probeFrames)
}

// close does the close handshake and waits for the FIN, so that a worker of the
// proxy is free again when Probe returns.
func (p *probe) close() error {
	if err := p.send(ws.NewCloseFrame(ws.NewCloseFrameBody(ws.StatusNormalClosure, ""))); err != nil {
		return fmt.Errorf("sending: %w", err)
	}
	for range probeFrames {
		f, err := p.receive()
		if err != nil {
			return fmt.Errorf("waiting for the other side's: %w", err)
		}
		if f.Header.OpCode != ws.OpClose {
			continue
		}
		if code, _ := ws.ParseCloseFrameData(f.Payload); code != ws.StatusNormalClosure {
			return fmt.Errorf("answered with code %d", code)
		}
		p.ended()
		return nil
	}
	return fmt.Errorf("the other side's was not among %d frames", probeFrames)
}

// ended waits for the end of the stream. Who should send it is the other side's
// affair once both closes are through, so there is nothing to complain of.
func (p *probe) ended() {
	until := time.Now().Add(probeEnd)
	if !p.until.IsZero() && p.until.Before(until) {
		until = p.until
	}
	p.socket.SetReadDeadline(until)
	io.Copy(io.Discard, io.LimitReader(p.from, probeLimit))
}

func (p *probe) send(f ws.Frame) error {
	b, err := ws.CompileFrame(ws.MaskFrameInPlace(f))
	if err != nil {
		return err
	}
	_, err = p.socket.Write(b)
	return err
}

// receive reads one frame and answers it when it is a ping.
func (p *probe) receive() (ws.Frame, error) {
	h, err := ws.ReadHeader(p.from)
	if err != nil {
		return ws.Frame{}, err
	}
	if h.Masked || h.Rsv != 0 || h.OpCode.IsReserved() || h.Length > probeLimit {
		return ws.Frame{}, fmt.Errorf("a frame that no echo server sends: %+v", h)
	}
	payload := make([]byte, h.Length)
	if _, err := io.ReadFull(p.from, payload); err != nil {
		return ws.Frame{}, err
	}
	if h.OpCode == ws.OpPing {
		if err := p.send(ws.NewPongFrame(bytes.Clone(payload))); err != nil {
			return ws.Frame{}, err
		}
	}
	return ws.Frame{Header: h, Payload: payload}, nil
}
