package runner

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"wsgauge/results"
	"wsgauge/targets"
)

// pageServer is a target's page about itself; each answer is of serve.
func pageServer(t *testing.T, serve http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewServer(serve)
	t.Cleanup(server.Close)
	return server.URL
}

func testBoard(t *testing.T, url string) *scoreboard {
	t.Helper()
	return &scoreboard{client: &http.Client{Timeout: scrapeWithin, Transport: &http.Transport{DisableKeepAlives: true}},
		status: &targets.Status{URL: url, Parse: func(page []byte) (targets.Workers, error) {
			if string(page) != "busy" {
				return targets.Workers{}, errors.New("no page of workers")
			}
			return targets.Workers{Busy: 3, Idle: 4, Closing: -1, Graceful: 1, Free: 8}, nil
		}}}
}

// A page that comes in time fills the sample; one that does not is missed and counted,
// and what was known before soon stands for nothing.
func TestScoreboardCountsWhatItMisses(t *testing.T) {
	var slow atomic.Bool
	done := make(chan struct{})
	t.Cleanup(func() { close(done) })
	b := testBoard(t, pageServer(t, func(w http.ResponseWriter, _ *http.Request) {
		if slow.Load() {
			select {
			case <-done:
			case <-time.After(5 * time.Second):
			}
		}
		_, _ = w.Write([]byte("busy")) // who asked has gone, perhaps
	}))
	var before, row, later results.Sample
	b.fill(&before, time.Now())
	if before.WorkersBusy != nil || *before.ScrapesMissed != 0 {
		t.Errorf("before any answer: %+v", before)
	}
	if err := b.ask(t.Context()); err != nil {
		t.Fatal(err)
	}
	slow.Store(true)
	began := time.Now()
	if err := b.ask(t.Context()); err != nil {
		t.Errorf("a missed answer ends the asking: %v", err)
	}
	if took := time.Since(began); took < scrapeWithin-10*time.Millisecond || took > 10*scrapeWithin {
		t.Errorf("the question took %v, want about %v", took, scrapeWithin)
	}
	b.fill(&row, b.at.Add(time.Second))
	if row.WorkersBusy == nil || *row.WorkersBusy != 3 || *row.WorkersIdle != 4 || row.WorkersClosing != nil ||
		*row.WorkersGraceful != 1 || *row.SlotsFree != 8 || *row.ScrapesMissed != 1 {
		t.Errorf("%+v", row)
	}
	b.fill(&later, b.at.Add(3*time.Second))
	if later.WorkersBusy != nil || later.SlotsFree != nil || *later.ScrapesMissed != 1 {
		t.Errorf("three seconds later: %+v", later)
	}
	var none *scoreboard
	none.fill(&later, time.Now())
	none.stop()
}

// Where the first answer is no such page, asking ends, with the reason; later it is
// only missed.
func TestScoreboardIsNotAskedForWhatIsNotThere(t *testing.T) {
	var text atomic.Value
	text.Store("hello")
	url := pageServer(t, func(w http.ResponseWriter, _ *http.Request) {
		if text.Load() == "" {
			w.WriteHeader(http.StatusNotFound)
		}
		_, _ = w.Write([]byte(text.Load().(string)))
	})
	for page, want := range map[string]string{"hello": "no page of workers", "": "404 Not Found"} {
		text.Store(page)
		b, row := testBoard(t, url), results.Sample{}
		err := b.ask(t.Context())
		if b.fill(&row, time.Now()); row.ScrapesMissed != nil {
			t.Errorf("what is not watched is shown as %v", *row.ScrapesMissed)
		}
		if err == nil || !strings.Contains(err.Error(), want) ||
			!strings.Contains(err.Error(), url) {
			t.Errorf("page %q: %v, want %q", page, err, want)
		}
	}
	b := testBoard(t, url)
	text.Store("busy")
	if err := b.ask(t.Context()); err != nil {
		t.Fatal(err)
	}
	text.Store("hello")
	if err := b.ask(t.Context()); err != nil || b.missed != 1 {
		t.Errorf("%d missed, %v", b.missed, err)
	}
}

// The runner's own questions are no load, but a target is ready only without them.
func TestLegsLeaveOutTheProbe(t *testing.T) {
	target, backend := netip.MustParseAddrPort("127.1.2.1:20000"), netip.MustParseAddrPort("127.1.2.2:20001")
	tr := &trial{run: &run{}, instance: &targets.Instance{Addrs: []netip.AddrPort{target}}, addrs: []netip.AddrPort{backend},
		site: site{probe: netip.MustParseAddr("127.1.2.3")}}
	client, probe := netip.MustParseAddrPort("127.1.2.16:40000"), netip.MustParseAddrPort("127.1.2.3:40000")
	for _, c := range []struct {
		local, remote netip.AddrPort
		leg, every    string
	}{
		{target, client, "front", "front"}, {target, probe, "", "front"}, {backend, target, "back", "back"},
		{backend, probe, "", "back"}, {client, target, "", ""},
	} {
		if got, every := tr.leg(c.local, c.remote), tr.everyLeg(c.local, c.remote); got != c.leg || every != c.every {
			t.Errorf("%v from %v: %q and %q", c.local, c.remote, got, every)
		}
	}
}
