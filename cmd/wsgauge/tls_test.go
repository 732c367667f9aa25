package main

import (
	"bufio"
	"bytes"
	"io"
	"net/netip"
	"os/exec"
	"strings"
	"testing"
	"time"

	"wsgauge/internal/certs"
	"wsgauge/results"
)

// wss end to end: from the clients through the tunnel to the backend, every leg
// plain or not, both versions, sessions taken up again or not. The counts are
// those of ws.
func TestWSS(t *testing.T) {
	r := start(t, `
name: wss
about: What does TLS cost on each leg?
backend: {tls: true}
targets:
  - direct
  - {name: both, tunnel: {processes: 2, tls: {frontend: true}}}
  - {name: back, tunnel: {}}
blocks: 1
steps:
  - id: old
    connect: {connections: 20, rate: 200/s, tls: {max: 1.2}}
  - id: new
    connect: {connections: 20, rate: 200/s, tls: {min: 1.3}}
  - id: again
    connect: {connections: 20, rate: 200/s, tls: {resumption: true}}
  - id: load
    send: {rate: 400/s, for: 1s, warmup: 200ms, arrivals: constant, size: {choose: {16B: 9, 20KiB: 1}}}
  - close: {}
expect: ["failures == 0"]
`)
	r.passed(time.Minute)
	d := r.records()
	if len(d.Trials) != 3 {
		t.Fatalf("%d trials", len(d.Trials))
	}
	for _, trial := range d.Trials {
		checkSmall(t, &trial, 60, 400)
		steps := map[string]*results.Step{}
		for i := range trial.Steps {
			steps[trial.Steps[i].ID] = &trial.Steps[i]
		}
		if trial.Target == "back" { // clients speak ws
			if trial.TLS != nil || len(trial.Connections.TLS) != 0 {
				t.Errorf("back: %v, %+v", trial.TLS, trial.Connections)
			}
			continue
		}
		for _, id := range []string{"old", "new", "again"} {
			s := steps[id]
			if s.TLS == nil || s.TLS.Count != 20 || s.TLS.Mean <= 0 || s.Dial.Count != 20 || s.Upgrade.Count != 20 {
				t.Errorf("%s, %s: TLS, dial and upgrade are not timed once each: %+v", trial.Target, id, s.TLS)
			}
			version, resumed := "TLS 1.3 ", int64(0)
			if id == "old" {
				version = "TLS 1.2 "
			}
			for text, n := range s.Connections.TLS {
				if !strings.HasPrefix(text, version) {
					t.Errorf("%s, %s: %d handshakes agreed on %s", trial.Target, id, n, text)
				}
				if strings.HasSuffix(text, " resumed") {
					resumed += n
				}
			}
			if again := id == "again"; again != (resumed > 0) || resumed == 20 {
				t.Errorf("%s, %s: %d of 20 sessions were taken up again", trial.Target, id, resumed)
			}
		}
		if trial.TLS == nil || trial.TLS.Count != 60 {
			t.Errorf("%s: the trial does not merge its steps' tls: %+v", trial.Target, trial.TLS)
		}
	}
}

// Another implementation talks to both servers: openssl's client, which checks the
// certificate and gets an answer.
func TestOpenSSL(t *testing.T) {
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("openssl is not on the PATH")
	}
	files, err := certs.Make(t.TempDir(), []netip.Addr{netip.MustParseAddr("127.0.0.1")})
	if err != nil {
		t.Fatal(err)
	}
	echo := serving(t, "echo", "--listen", "127.0.0.1:0", "--tls-cert", files.Cert, "--tls-key", files.Key)
	tunnel := serving(t, "tunnel", "--listen", "127.0.0.1:0", "--backend", echo, "--backend-tls-ca", files.CA,
		"--tls-cert", files.Cert, "--tls-key", files.Key)
	for name, addr := range map[string]string{"echo": echo, "tunnel": tunnel} {
		for _, version := range []string{"-tls1_2", "-tls1_3"} {
			c := exec.Command(openssl, "s_client", "-connect", addr, "-CAfile", files.CA, "-verify_return_error",
				"-verify_ip", "127.0.0.1", version, "-quiet", "-ign_eof")
			c.Stdin = strings.NewReader("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
			c.WaitDelay = 5 * time.Second
			var errs bytes.Buffer
			c.Stderr = &errs
			out, err := c.Output()
			if err != nil || !strings.HasPrefix(string(out), "HTTP/1.1 200 OK\r\n") || !strings.HasSuffix(string(out), "wsgauge echo\n") {
				t.Errorf("%s %s: %v\n%s\n%s", name, version, err, out, errs.String())
			}
		}
		c := exec.Command(openssl, "s_client", "-connect", addr, "-tls1_1", "-quiet")
		c.Stdin = strings.NewReader("")
		if out, err := c.CombinedOutput(); err == nil {
			t.Errorf("%s speaks TLS 1.1:\n%s", name, out)
		}
	}
}

// serving starts a part of wsgauge for the test and returns where it listens.
func serving(t *testing.T, args ...string) string {
	t.Helper()
	addr, _ := servingProcess(t, args...)
	return addr
}

// servingProcess is serving, and says which process it is.
func servingProcess(t *testing.T, args ...string) (addr string, pid int) {
	t.Helper()
	c := exec.Command(binary, args...)
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Process.Kill(); c.Wait() })
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("%s: %v", args[0], err)
	}
	go io.Copy(io.Discard, out) // ends with the process
	_, addr, found := strings.Cut(strings.TrimSpace(line), "listening on ")
	if !found {
		t.Fatalf("%s says %q", args[0], line)
	}
	return addr, c.Process.Pid
}
