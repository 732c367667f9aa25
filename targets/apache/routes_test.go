package apache

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"wsgauge/scenarios"
	"wsgauge/targets"
)

// routed are the forms of a route that a scenario can ask for.
func routed(t *testing.T, test func(t *testing.T, a scenarios.Apache)) {
	t.Helper()
	for _, route := range routes {
		for name, balancer := range map[string]*scenarios.Balancer{"": nil, "-balanced": {}} {
			t.Run(route+name, func(t *testing.T) {
				test(t, scenarios.Apache{Route: route, Balancer: balancer, ThreadsPerChild: 10, MaxRequestWorkers: 10})
			})
		}
	}
}

// Whatever the route, a tunnel echoes, a path comes through as it was written, and
// plain requests are served beside.
func TestEveryRouteLeadsTunnelsAndPages(t *testing.T) {
	t.Parallel()
	b := startBackend(t, 20)
	routed(t, func(t *testing.T, a scenarios.Apache) {
		r := start(t, a, b)
		const path = "/a%20b/%C3%BC+x?q=1%202&r=%2F&s=a+b"
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		before := len(b.asked())
		c, err := r.dialPath(ctx, path, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer r.closeAll(t, []*tunnel{c})
		if got, err := c.echo("hello"); err != nil || got != "hello from backend 20" {
			t.Errorf("echo: %q, %v", got, err)
		}
		status, body, _ := r.get(t, path, netip.Addr{})
		if status != 200 || body != "plain from backend 20" {
			t.Errorf("a page: %d %q", status, body)
		}
		if got := b.asked()[before:]; !slices.Equal(got, []string{path, path}) {
			t.Errorf("the backend was asked for %q, want %q twice", got, path)
		}
	})
}

// Directives of a scenario's own can lead to the backend of the trial.
func TestExtraKnowsTheBackend(t *testing.T) {
	t.Parallel()
	b := startBackend(t, 22)
	r := start(t, scenarios.Apache{ThreadsPerChild: 10, MaxRequestWorkers: 10,
		Extra: "<Location \"/own\">\n  ProxyPass \"ws://${WSGAUGE_BACKEND}/led\"\n</Location>"}, b)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c, err := r.dialPath(ctx, "/own", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer r.closeAll(t, []*tunnel{c})
	if asked := b.asked(); asked[len(asked)-1] != "/led" {
		t.Errorf("the backend was asked for %q, want /led", asked)
	}
}

// A backend that is not there gives a 503, and no tunnel.
func TestEveryRouteSaysThatTheBackendIsGone(t *testing.T) {
	t.Parallel()
	routed(t, func(t *testing.T, a scenarios.Apache) {
		r := start(t, a, &backend{addr: freeAddr(t, loopback(t, 21))})
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		if c, err := r.dial(ctx); err == nil {
			closeAll([]*tunnel{c})
			t.Error("a tunnel to nowhere")
		} else if !strings.Contains(err.Error(), "503") {
			t.Errorf("the upgrade failed with %v, want 503", err)
		}
		if status, _, _ := r.get(t, "/", netip.Addr{}); status != 503 {
			t.Errorf("a page gave %d, want 503", status)
		}
	})
}

// Both legs by TLS, for each route and version; Apache asks the backend who it is.
func TestEveryRouteSpeaksTLSOnBothLegs(t *testing.T) {
	t.Parallel()
	files := certificates(t, 1, 22)
	b := startBackendTLS(t, 22, files)
	versions := []string{"1.2", "1.3"}
	for i, route := range routes {
		t.Run(route, func(t *testing.T) {
			version := versions[i%2]
			a := scenarios.Apache{Route: route, ThreadsPerChild: 10, MaxRequestWorkers: 10, Scoreboard: true,
				TLS: scenarios.TLS{Frontend: true, Backend: true, Min: version, Max: version}}
			r := startAt(t, a, targets.Site{Certificates: files}, b)
			all := r.open(t, 2)
			defer r.closeAll(t, all)
			if status, body, _ := r.get(t, "/", netip.Addr{}); status != 200 || body != "plain from backend 22" {
				t.Errorf("a page: %d %q", status, body)
			}
			want := map[string]uint16{"1.2": 0x303, "1.3": 0x304}[version]
			if got := r.version(t); got != want {
				t.Errorf("clients got version %#x, want %#x", got, want)
			}
			if got := r.Status.URL; !strings.HasPrefix(got, "https://") {
				t.Errorf("the scoreboard is at %s", got)
			}
		})
	}
}

// A backend with another authority's certificate is not spoken to.
func TestBackendOfAnotherAuthorityIsRefused(t *testing.T) {
	t.Parallel()
	b := startBackendTLS(t, 23, certificates(t, 23))
	r := startAt(t, scenarios.Apache{ThreadsPerChild: 10, MaxRequestWorkers: 10, TLS: scenarios.TLS{Backend: true}},
		targets.Site{Certificates: certificates(t, 23)}, b)
	if status, _, _ := r.get(t, "/", netip.Addr{}); status != 500 && status != 502 {
		t.Errorf("a page gave %d", status)
	}
	if got := b.asked(); len(got) > 0 {
		t.Errorf("the backend was asked for %q", got)
	}
}

// Tunnels spread over members by each lbmethod; heartbeat picks at random.
func TestTunnelsSpreadByEachMethod(t *testing.T) {
	t.Parallel()
	one, two, three := startBackend(t, 24), startBackend(t, 25), startBackend(t, 26)
	for _, method := range lbmethods {
		t.Run(method, func(t *testing.T) {
			r := start(t, scenarios.Apache{ThreadsPerChild: 50, MaxRequestWorkers: 50,
				Balancer: &scenarios.Balancer{Members: 2, LBMethod: method}}, one, two, three)
			got := r.whom(t, r.open(t, 40))
			if got[three.name] > 0 {
				t.Errorf("the third backend is no member, and got %v", got)
			}
			least := 20
			if method == "heartbeat" {
				least = 4 // of 40 at random: less once in ten million times
			}
			if got[one.name] < least || got[two.name] < least || got[one.name]+got[two.name] != 40 {
				t.Errorf("%v", got)
			}
		})
	}
}

// whom counts tunnels by the backend that answers.
func (r *running) whom(t *testing.T, all []*tunnel) map[string]int {
	t.Helper()
	got := map[string]int{}
	for _, c := range all {
		answer, err := c.echo("who")
		if err != nil {
			t.Fatal(err)
		}
		got[strings.TrimPrefix(answer, "who from ")]++
	}
	return got
}

// A client with the cookie comes back to its member, on every route; without one it
// goes where the method says.
func TestStickyClientsComeBack(t *testing.T) {
	t.Parallel()
	one, two := startBackend(t, 27), startBackend(t, 28)
	for _, route := range routes {
		t.Run(route, func(t *testing.T) {
			r := start(t, scenarios.Apache{Route: route, ThreadsPerChild: 50, MaxRequestWorkers: 50,
				Balancer: &scenarios.Balancer{Sticky: true}}, one, two)
			_, body, header := r.get(t, "/", netip.Addr{})
			cookie, _, _ := strings.Cut(header.Get("Set-Cookie"), ";")
			if !strings.HasPrefix(cookie, "ROUTEID=.m") {
				t.Fatalf("the cookie is %q", header.Get("Set-Cookie"))
			}
			mine := strings.TrimPrefix(body, "plain from ")
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			var all []*tunnel
			defer func() { r.closeAll(t, all) }()
			for range 6 {
				c, err := r.dialPath(ctx, "/", map[string][]string{"Cookie": {cookie}})
				if err != nil {
					t.Fatal(err)
				}
				all = append(all, c)
			}
			if got := r.whom(t, all); got[mine] != 6 {
				t.Errorf("with the cookie of %s: %v", mine, got)
			}
			// So does a client that has it in its path.
			c, err := r.dialPath(ctx, "/?"+cookie, nil)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, c)
			if got := r.whom(t, []*tunnel{c}); got[mine] != 1 {
				t.Errorf("with the route of %s in the query: %v", mine, got)
			}
		})
	}
}

// When a member dies its tunnels end, the others do not move, and new ones go to who
// is left.
func TestAMembersDeath(t *testing.T) {
	t.Parallel()
	one, two := startBackend(t, 29), startBackend(t, 30)
	r := start(t, scenarios.Apache{ThreadsPerChild: 50, MaxRequestWorkers: 50,
		Balancer: &scenarios.Balancer{LBMethod: "bybusyness"}}, one, two)
	all := r.open(t, 10)
	var theirs, others []*tunnel
	for _, c := range all {
		if r.whom(t, []*tunnel{c})[one.name] == 1 {
			theirs = append(theirs, c)
		} else {
			others = append(others, c)
		}
	}
	if len(theirs) != 5 || len(others) != 5 {
		t.Fatalf("%d and %d tunnels", len(theirs), len(others))
	}
	go one.stop() // it waits for its tunnels' other ends
	for _, c := range theirs {
		deadline(t, c, patience)
		if n, err := c.Read(make([]byte, 1)); err == nil {
			t.Errorf("a tunnel to the dead member gave %d bytes", n)
		} else if strings.Contains(err.Error(), "timeout") {
			t.Error("a tunnel to the dead member lives on")
		}
	}
	more := r.open(t, 4)
	defer r.closeAll(t, append(all, more...))
	if got := r.whom(t, append(others, more...)); got[two.name] != 9 {
		t.Errorf("after the death: %v", got)
	}
}

// The page about workers answers its one asker, and counts tunnels by generation.
func TestScoreboardCountsGenerations(t *testing.T) {
	for _, mpm := range mpms {
		t.Run(mpm, func(t *testing.T) {
			t.Parallel()
			b := startBackend(t, 31+slices.Index(mpms, mpm))
			probe := netip.MustParseAddr(loopback(t, 40))
			a := scenarios.Apache{MPM: mpm, MaxRequestWorkers: 40, ServerLimit: 80, Scoreboard: true}
			wantFree := 0 // worker and prefork start no more processes than MaxRequestWorkers asks for
			switch mpm {
			case "event":
				wantFree = 120 // 8 places, 2 of them taken
				fallthrough
			case "worker":
				a.ThreadsPerChild, a.ServerLimit = 20, 8
			}
			r := startAt(t, a, targets.Site{Probe: probe}, b)
			ask := func() targets.Workers {
				status, page, _ := r.get(t, "/wsgauge-status?auto", probe)
				if status != 200 {
					t.Fatalf("the page gave %d", status)
				}
				w, err := r.Status.Parse([]byte(page))
				if err != nil {
					t.Fatal(err)
				}
				return w
			}
			tells := mpm != "worker" // worker does not tell generations apart
			generations := func(busy, graceful int) (int, int) {
				if tells {
					return busy, graceful
				}
				return busy + graceful, -1
			}
			wants := func(what string, busy, graceful int) {
				t.Helper()
				busy, graceful = generations(busy, graceful)
				eventually(t, what, func() (bool, string) {
					w := ask()
					return w.Busy == busy && w.Graceful == graceful, fmt.Sprintf("%+v", w)
				})
			}
			if status, _, _ := r.get(t, "/wsgauge-status?auto", netip.Addr{}); status != 403 {
				t.Errorf("somebody else got the page: %d", status)
			}
			if got := b.asked(); len(got) > 0 {
				t.Errorf("the backend was asked for %q", got)
			}
			first := r.open(t, 6)
			wants("six busy workers", 6, 0)
			// A worker that has just answered may still be closing.
			eventually(t, fmt.Sprintf("33 idle workers beside six tunnels and one that answers, and %d free places", wantFree), func() (bool, string) {
				w := ask()
				return w.Idle == 33 && w.Free == wantFree && w.Closing == 0, fmt.Sprintf("%+v", w)
			})
			if err := r.cmd.Process.Signal(r.Graceful.Signal); err != nil {
				t.Fatal(err)
			}
			wants("six graceful workers", 0, 6)
			if got := r.whom(t, first); got[b.name] != 6 {
				t.Errorf("after the graceful restart: %v", got)
			}
			r.open(t, 2)
			wants("both generations", 2, 6)
			closeAll(first)
			wants("the old generation to end", 2, 0)
		})
	}
}
