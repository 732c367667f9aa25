package runner

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
)

func TestLocate(t *testing.T) {
	for text, want := range map[string]remote{
		"ws://127.0.0.1:9001":        {host: "127.0.0.1:9001", name: "127.0.0.1", path: "/", addrs: ports("127.0.0.1:9001")},
		"ws://127.9.0.1/a%20b?q=1":   {host: "127.9.0.1", name: "127.9.0.1", path: "/a%20b?q=1", addrs: ports("127.9.0.1:80")},
		"wss://[::1]/":               {host: "[::1]", name: "::1", path: "/", tls: true, addrs: ports("[::1]:443")},
		"wss://localhost:9443/x":     {host: "localhost:9443", name: "localhost", path: "/x", tls: true, addrs: ports("127.0.0.1:9443")},
		"ws://[::ffff:127.0.0.1]:9/": {host: "[::ffff:127.0.0.1]:9", name: "::ffff:127.0.0.1", path: "/", addrs: ports("127.0.0.1:9")},
	} {
		got, err := locate(t.Context(), text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got.host != want.host || got.name != want.name || got.path != want.path || got.tls != want.tls || !slices.Equal(got.addrs, want.addrs) {
			t.Errorf("%s: %+v, want %+v", text, *got, want)
		}
	}
	for text, word := range map[string]string{
		"http://127.0.0.1:9001":        "no URL of a WebSocket server",
		"ws://:9001/":                  "no URL of a WebSocket server",
		"ws://me:secret@127.0.0.1:80/": "no URL of a WebSocket server",
		"ws://127.0.0.1:0/":            "port between 1 and 65535",
		"ws://127.0.0.1:65536/":        "port between 1 and 65535",
		"ws://nowhere.invalid:1/":      "finding the address of nowhere.invalid",
		"ws://%zz/":                    "external: ",
	} {
		if _, err := locate(t.Context(), text); err == nil || !strings.Contains(err.Error(), word) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v, want %q", text, err, word)
		}
	}
}

func ports(list ...string) (out []netip.AddrPort) {
	for _, s := range list {
		out = append(out, netip.MustParseAddrPort(s))
	}
	return out
}

func TestRemoteIsOnLoopback(t *testing.T) {
	for text, want := range map[string]bool{"127.0.0.1:1": true, "127.255.0.1:1": true, "[::1]:1": false, "192.0.2.1:1": false} {
		if got := (&remote{addrs: ports("127.0.0.1:1", text)}).loopback(); got != want {
			t.Errorf("%s: %v, want %v", text, got, want)
		}
	}
}
