package apache

import (
	"fmt"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"wsgauge/scenarios"
)

// routes are the ways in which a WebSocket is led to the backend.
var routes = []string{"proxypass", "upgrade", "rewrite", "legacy"}

// lbmethods are the ways in which a balancer picks a member, each in a module of its own.
var lbmethods = []string{"byrequests", "bytraffic", "bybusyness", "heartbeat"}

// cookie is what a client comes back to its member by.
const cookie = "ROUTEID"

func routeOf(a scenarios.Apache) string {
	if a.Route == "" {
		return routes[0]
	}
	return a.Route
}

func (c *configuration) route() string { return routeOf(c.Apache) }

// checkRoute refuses words that Apache would take for something else, and values
// that none can mean.
func checkRoute(a scenarios.Apache) error {
	if !slices.Contains(routes, routeOf(a)) {
		return fmt.Errorf("route %q is not known (%s are)", a.Route, strings.Join(routes, ", "))
	}
	if b := a.Balancer; b != nil {
		if b.LBMethod != "" && !slices.Contains(lbmethods, b.LBMethod) {
			return fmt.Errorf("lbmethod %q is not known (%s are)", b.LBMethod, strings.Join(lbmethods, ", "))
		}
		if b.Members < 0 {
			return fmt.Errorf("balancer: members %d is below zero", b.Members)
		}
	}
	return nil
}

// lbmethod is how a balancer of this scenario picks: bybusyness counts live tunnels,
// so they stay even after reconnects.
func lbmethod(a scenarios.Apache) string {
	if a.Balancer == nil || a.Balancer.LBMethod == "" {
		return "bybusyness"
	}
	return a.Balancer.LBMethod
}

// balanced tells whether tunnels go through a balancer.
func balanced(a scenarios.Apache, backends int) bool { return a.Balancer != nil || backends > 1 }

func (c *configuration) balanced() bool { return balanced(c.Apache, len(c.site.Backends)) }

// members are the backends that are led to.
func (c *configuration) members() []netip.AddrPort {
	all := c.site.Backends
	if b := c.Balancer; b != nil && b.Members > 0 {
		all = all[:min(b.Members, len(all))]
	}
	return all
}

// genericWorker tells whether tunnels belong to no worker of their own, and no
// timeout= is for them.
func (c *configuration) genericWorker() bool { return c.route() == "rewrite" && !c.balanced() }

// plain and tunnelled are the schemes of the way to the backend.
func (c *configuration) plain() string {
	if c.TLS.Backend {
		return "https"
	}
	return "http"
}

func (c *configuration) tunnelled() string {
	if c.TLS.Backend {
		return "wss"
	}
	return "ws"
}

// parameters are what stands behind a worker's URL.
func (c *configuration) parameters(scheme string) string {
	text := ""
	if c.WorkerTimeout > 0 {
		text = fmt.Sprintf(" timeout=%d", int(c.WorkerTimeout/time.Second))
	}
	if c.route() == "upgrade" && strings.HasPrefix(scheme, "http") {
		text += " upgrade=websocket"
	}
	return text
}

// writeRoute leads everything to the backend but the page about the server itself.
func (c *configuration) writeRoute(w *writer) {
	w.line("")
	switch c.route() {
	case "proxypass":
		w.line("# mod_proxy_http serves ws:// itself: it waits for the backend's 101 and then tunnels,")
		w.line("# and plain HTTP passes through the same route. mod_proxy_wstunnel would decline.")
		c.pass(w, c.group(w, "backends", c.tunnelled()))
	case "upgrade":
		w.line("# mod_proxy_http asks the backend for the upgrade that the client asks for (2.4.47 and")
		w.line("# newer), waits for its 101 and then tunnels. Plain HTTP passes through the same route.")
		c.pass(w, c.group(w, "backends", c.plain()))
	case "rewrite":
		c.rewrite(w)
	case "legacy":
		c.legacy(w)
	}
}

// rewrite sends upgrades by mod_rewrite and the rest by ProxyPass.
func (c *configuration) rewrite(w *writer) {
	w.line("# mod_rewrite sends upgrades to ws://, and all else goes by ProxyPass.")
	tunnels := c.url(c.tunnelled())
	if c.balanced() {
		tunnels = c.group(w, "tunnels", c.tunnelled())
	} else {
		w.line("# No worker is defined for ws://: the generic one makes a connection for each tunnel,")
		w.line("# and no timeout= is for it.")
	}
	plain := c.group(w, "plain", c.plain())
	c.writeRule(w, "=websocket", tunnels)
	c.pass(w, plain)
}

// legacy takes mod_proxy_wstunnel, which declines what is no upgrade.
func (c *configuration) legacy(w *writer) {
	w.line("# mod_proxy_wstunnel tunnels without looking for the backend's 101, and for no time in")
	w.line("# particular. What is no upgrade it declines: mod_rewrite leads that to mod_proxy_http.")
	if slices.Compare(c.server.version[:], fallback[:]) >= 0 {
		w.line("ProxyWebsocketFallbackToProxyHttp Off")
	}
	tunnels := c.group(w, "tunnels", c.tunnelled())
	plain := c.url(c.plain())
	if c.balanced() {
		plain = c.group(w, "plain", c.plain())
	}
	c.writeRule(w, "!=websocket", plain)
	c.pass(w, tunnels)
}

// writeRule sends what has that Upgrade to a URL.
func (c *configuration) writeRule(w *writer, upgrade, url string) {
	w.line("RewriteEngine On")
	if c.Scoreboard {
		w.line("RewriteCond %%{REQUEST_URI} !=%s", statusPath)
	}
	w.line("RewriteCond %%{HTTP:Upgrade} %s [NC]", upgrade)
	w.line("RewriteRule \"^/(.*)\" \"%s/$1\" [P,L]", url)
}

func (c *configuration) url(scheme string) string {
	return scheme + "://" + c.members()[0].String()
}

// group defines a balancer, where there is one, and returns what leads to it, or to
// the one backend.
func (c *configuration) group(w *writer, name, scheme string) string {
	if !c.balanced() {
		return c.url(scheme)
	}
	w.line("<Proxy \"balancer://%s\">", name)
	for i, b := range c.members() {
		w.line("  BalancerMember \"%s://%s\" route=m%d%s%s", scheme, b, i+1, c.retry(), c.parameters(scheme))
	}
	sticky := ""
	if c.sticky() {
		sticky = " stickysession=" + cookie
	}
	w.line("  ProxySet lbmethod=%s%s", lbmethod(c.Apache), sticky)
	w.line("</Proxy>")
	return "balancer://" + name
}

// retry is for how long a member rests that could not be reached.
func (c *configuration) retry() string {
	if c.Balancer == nil || c.Balancer.Retry == 0 {
		return ""
	}
	return fmt.Sprintf(" retry=%d", int(c.Balancer.Retry/time.Second))
}

func (c *configuration) sticky() bool { return c.Balancer != nil && c.Balancer.Sticky }

// pass leads all that is left to a URL.
func (c *configuration) pass(w *writer, url string) {
	parameters := ""
	if scheme, _, _ := strings.Cut(url, "://"); scheme != "balancer" {
		parameters = c.parameters(scheme)
	}
	if c.balanced() {
		c.writeBalancing(w)
	}
	if c.Scoreboard {
		w.line("ProxyPass \"%s\" \"!\"", statusPath)
	}
	w.line("ProxyPass \"/\" \"%s/\"%s", url, parameters)
}

// writeBalancing is what balancers need besides their members.
func (c *configuration) writeBalancing(w *writer) {
	if lbmethod(c.Apache) == "heartbeat" {
		w.line("# The backends send no heartbeats. This file stands for them: all are as ready as another,")
		w.line("# and each tunnel goes to a random one.")
		w.line("HeartbeatStorage \"%s\"", c.heartbeats())
	}
	if c.sticky() {
		w.line("# Apache sets the cookie in answers to plain requests, never in a 101: clients of WebSocket")
		w.line("# have it from such an answer, or bring it along: %s=.m1, as a cookie or in the query.", cookie)
		w.line("Header add Set-Cookie \"%s=.%%{BALANCER_WORKER_ROUTE}e; path=/\" env=BALANCER_ROUTE_CHANGED", cookie)
	}
}

func (c *configuration) heartbeats() string { return filepath.Join(c.site.Dir, "heartbeats") }

// heartbeatText is what mod_heartmonitor would have written. It knows servers by their
// addresses alone.
func (c *configuration) heartbeatText() string {
	var w writer
	var known []netip.Addr
	for _, b := range c.members() {
		if !slices.Contains(known, b.Addr()) {
			known = append(known, b.Addr())
			w.line("%s &ready=100&busy=0&lastseen=0&port=%d", b.Addr(), b.Port())
		}
	}
	return w.String()
}
