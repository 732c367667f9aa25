package direct

import (
	"net/netip"
	"testing"

	"wsgauge/targets"
)

func TestPrepare(t *testing.T) {
	backends := []netip.AddrPort{netip.MustParseAddrPort("127.0.0.2:9"), netip.MustParseAddrPort("127.0.0.3:9")}
	in, err := Target{}.Prepare(targets.Site{Listen: netip.MustParseAddrPort("127.0.0.1:1"), Backends: backends})
	if err != nil {
		t.Fatal(err)
	}
	if len(in.Argv) != 0 {
		t.Errorf("something to start: %q", in.Argv)
	}
	if len(in.Addrs) != 2 || in.Addrs[0] != backends[0] || in.Addrs[1] != backends[1] {
		t.Errorf("clients dial %v, want the backends %v", in.Addrs, backends)
	}
	backends[0] = netip.AddrPort{}
	if !in.Addrs[0].IsValid() {
		t.Error("the instance shares the caller's slice")
	}
	if _, err := (Target{}).Prepare(targets.Site{}); err == nil {
		t.Error("no backend was no error")
	}
}

func TestFind(t *testing.T) {
	if v, err := (Target{}).Find(); err != nil || v.Text == "" {
		t.Errorf("Find: %+v, %v", v, err)
	}
}
