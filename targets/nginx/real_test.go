package nginx

import (
	"testing"

	"wsgauge/scenarios"
	"wsgauge/targets"
	"wsgauge/targets/targettest"
)

func TestMain(m *testing.M) { targettest.Main(m) }

func TestServes(t *testing.T) {
	targettest.Serves(t, func(legs scenarios.TLS) targets.Target { return New(scenarios.Peer{TLS: legs}) })
}
