package runner

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"wsgauge/internal/tlsconn"
	"wsgauge/results"
	"wsgauge/targets"
)

const (
	scrapeEvery = time.Second
	// scrapeWithin bounds a question and its answer: it takes one of the workers that
	// the tunnels need, and one that is waited for longer says so by being missed.
	scrapeWithin = 200 * time.Millisecond
	// scrapeOutsideWithin is the same over a network: a connection, perhaps TLS, and a page.
	scrapeOutsideWithin = 800 * time.Millisecond
	// longestPage is 16 MiB: 20,000 children of 800 threads have that many letters.
	longestPage = 16 << 20
	// staleAfter is how long an answer stands for the target's present.
	staleAfter = scrapeEvery + 2*scrapeWithin
)

// scoreboard asks a target once a second how busy its workers are. One question is on
// its way at most.
type scoreboard struct {
	status *targets.Status
	client *http.Client
	note   func(text string)
	cancel context.CancelFunc
	ended  chan struct{}

	mu      sync.Mutex
	workers targets.Workers
	at      time.Time // of the last answer; zero: none
	missed  int
	over    bool // there is no such page, and nobody asks any more
}

// startScoreboard begins to ask; nil when the trial's target has no such page.
func startScoreboard(t *trial) (*scoreboard, error) {
	status := t.instance.Status
	if status == nil {
		return nil, nil
	}
	if t.instance.Reach != nil {
		client := outsideClient(status)
		client.Timeout = scrapeOutsideWithin
		return askOften(t, status, client), nil
	}
	var config *tls.Config
	if t.trust != nil {
		var err error
		host := t.instance.Addrs[0].Addr().String()
		if config, err = tlsconn.ClientConfig([]byte(t.trust.CA), host, tlsconn.Options{}); err != nil {
			return nil, fmt.Errorf("asking %s: %w", status.URL, err)
		}
	}
	// The probe's address, and a connection for each question: none of them is counted
	// among the sockets of the load, or stays with a worker.
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: t.site.probe.AsSlice()}}
	return askOften(t, status, &http.Client{Timeout: scrapeWithin, Transport: &http.Transport{
		DialContext: dialer.DialContext, TLSClientConfig: config, DisableKeepAlives: true, DisableCompression: true}}), nil
}

// askOften starts the asking.
func askOften(t *trial, status *targets.Status, client *http.Client) *scoreboard {
	b := &scoreboard{status: status, ended: make(chan struct{}), client: client,
		note: func(text string) { t.event(results.Event{Kind: "note", Text: text}) }}
	ctx, cancel := context.WithCancel(context.Background())
	b.cancel = cancel
	go func() {
		defer close(b.ended)
		b.loop(ctx)
	}()
	return b
}

// stop ends the asking, and waits for it.
func (b *scoreboard) stop() {
	if b == nil {
		return
	}
	b.cancel()
	<-b.ended
	b.client.CloseIdleConnections()
}

func (b *scoreboard) loop(ctx context.Context) {
	tick := time.NewTicker(scrapeEvery)
	defer tick.Stop()
	for {
		if err := b.ask(ctx); err != nil {
			b.note(err.Error())
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// ask asks once. Without an answer in time the question is missed. The error is of a
// first answer that cannot be read: there is no such page, and asking on would only
// load whoever answers.
func (b *scoreboard) ask(ctx context.Context) error {
	workers, answered, err := b.scrape(ctx)
	if ctx.Err() != nil {
		return nil // our own doing
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if err == nil {
		b.workers, b.at = workers, time.Now()
		return nil
	}
	if answered && b.at.IsZero() {
		b.over = true
		return fmt.Errorf("workers are not watched: %w", err)
	}
	b.missed++
	return nil
}

// scrape fetches the page and reads it; answered tells whether there was one.
func (b *scoreboard) scrape(ctx context.Context) (w targets.Workers, answered bool, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, b.status.URL, nil)
	if err != nil {
		return w, true, fmt.Errorf("asking %s: %w", b.status.URL, err)
	}
	for name, value := range b.status.Headers {
		if strings.EqualFold(name, "Host") {
			request.Host = value
			continue
		}
		request.Header.Set(name, value)
	}
	response, err := b.client.Do(request)
	if err != nil {
		return w, false, err // it names the URL
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return w, true, fmt.Errorf("%s answers with %s", b.status.URL, response.Status)
	}
	page, err := io.ReadAll(io.LimitReader(response.Body, longestPage+1))
	if err != nil {
		return w, false, fmt.Errorf("reading %s: %w", b.status.URL, err)
	}
	if len(page) > longestPage {
		return w, true, fmt.Errorf("%s is longer than %d bytes", b.status.URL, longestPage)
	}
	if w, err = b.status.Parse(page); err != nil {
		return w, true, fmt.Errorf("%s: %w", b.status.URL, err)
	}
	return w, true, nil
}

// now is what the target said last, if that is recent enough to stand for the moment.
func (b *scoreboard) now(at time.Time) (targets.Workers, bool) {
	if b == nil {
		return targets.Workers{}, false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.workers, !b.at.IsZero() && at.Sub(b.at) <= staleAfter
}

// fill adds what is known of the target's workers to its sample.
func (b *scoreboard) fill(row *results.Sample, at time.Time) {
	if b == nil {
		return
	}
	b.mu.Lock()
	missed, over := b.missed, b.over
	b.mu.Unlock()
	if over {
		return
	}
	row.ScrapesMissed = count(missed)
	w, fresh := b.now(at)
	if !fresh {
		return
	}
	row.WorkersBusy, row.WorkersIdle = measured(int64(w.Busy)), measured(int64(w.Idle))
	row.WorkersClosing, row.WorkersGraceful = measured(int64(w.Closing)), measured(int64(w.Graceful))
	row.SlotsFree = measured(int64(w.Free))
}
