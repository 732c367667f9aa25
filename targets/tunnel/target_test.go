package tunnel

import (
	"net/netip"
	"os"
	"slices"
	"testing"
	"time"

	"wsgauge/scenarios"
	"wsgauge/targets"
)

func TestPrepare(t *testing.T) {
	site := targets.Site{
		Listen:     netip.MustParseAddrPort("127.1.2.1:9000"),
		Backends:   []netip.AddrPort{netip.MustParseAddrPort("127.1.2.2:9001"), netip.MustParseAddrPort("127.1.2.3:9001")},
		Executable: "/opt/wsgauge", Certificates: &targets.Certificates{CA: "/t/ca", Cert: "/t/cert", Key: "/t/key"},
	}
	for _, c := range []struct {
		config scenarios.Tunnel
		more   []string
	}{
		{scenarios.Tunnel{}, nil},
		{scenarios.Tunnel{MaxTunnels: 7, IdleTimeout: 90 * time.Second}, []string{"--max-tunnels", "7", "--idle-timeout", "1m30s"}},
		{scenarios.Tunnel{Processes: 1, Inject: &scenarios.Inject{Delay: time.Millisecond, LeakBytes: 7}}, []string{"--inject", "delay=1ms,leak_bytes=7"}},
		{scenarios.Tunnel{TLS: scenarios.TLS{Frontend: true, Min: "1.2", Max: "1.3"}}, []string{"--tls-cert", "/t/cert", "--tls-key", "/t/key", "--tls-versions", "1.2-1.3"}},
		{scenarios.Tunnel{TLS: scenarios.TLS{Backend: true, Min: "1.3", Max: "1.3"}}, []string{"--backend-tls-ca", "/t/ca", "--tls-versions", "1.3-1.3"}},
		{scenarios.Tunnel{TLS: scenarios.TLS{Min: "1.2", Max: "1.3"}}, nil},
		{scenarios.Tunnel{Processes: 3, Inject: &scenarios.Inject{}}, []string{"--processes", "3"}},
	} {
		in, err := New(c.config).Prepare(site)
		if err != nil {
			t.Fatal(err)
		}
		want := append([]string{"/opt/wsgauge", "tunnel", "--listen", "127.1.2.1:9000", "--backend", "127.1.2.2:9001,127.1.2.3:9001"}, c.more...)
		if !slices.Equal(in.Argv, want) {
			t.Errorf("started as %q, want %q", in.Argv, want)
		}
		if several := c.config.Processes > 1; several != (in.Settled != nil) || several && (in.Settled(3, 9) || !in.Settled(4, 9)) {
			t.Errorf("%+v: when it has settled is not known", c.config)
		}
		if !slices.Equal(in.Addrs, []netip.AddrPort{site.Listen}) || in.Config == "" || in.StopGrace <= 0 {
			t.Errorf("instance: %+v", in)
		}
	}
	bare := site
	bare.Certificates = nil
	if _, err := New(scenarios.Tunnel{TLS: scenarios.TLS{Frontend: true}}).Prepare(bare); err == nil {
		t.Error("TLS without certificates")
	}
	for name, bad := range map[string]targets.Site{
		"no program": {Listen: site.Listen, Backends: site.Backends},
		"no listen":  {Backends: site.Backends, Executable: "x"},
		"no port":    {Listen: anyPort, Backends: site.Backends, Executable: "x"},
		"no backend": {Listen: site.Listen, Executable: "x"},
	} {
		if _, err := New(scenarios.Tunnel{}).Prepare(bad); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestFind(t *testing.T) {
	v, err := New(scenarios.Tunnel{}).Find()
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if v.Path != self || len(v.SHA256) != 64 || v.Text == "" {
		t.Errorf("version %+v", v)
	}
}
