package runner

import (
	"strings"
	"testing"

	"wsgauge/scenarios"
)

// What scenarios can say and nothing runs yet is refused, not passed over.
func TestUnsupported(t *testing.T) {
	for want, s := range map[string]*scenarios.Scenario{
		"none in node": {Backend: scenarios.Backend{Runtime: "node"}},
		"ws://a:1":     {Backend: scenarios.Backend{External: "ws://a:1"}},
	} {
		if err := unsupported(s); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	ok := &scenarios.Scenario{Backend: scenarios.Backend{Runtime: "go", Instances: 1}}
	if err := unsupported(ok); err != nil {
		t.Error(err)
	}
}
