package main

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"strings"
	"testing"
)

// leaves import no other package of this module.
var leaves = []string{"scenarios", "results", "loadgen/schedule", "loadgen/wire", "internal/evloop",
	"internal/certs", "internal/netns"}

// owners are the only places from which a library may be imported.
var owners = map[string][]string{
	"github.com/spf13/cobra":        {"cmd/"},
	"github.com/nats-io/":           {"internal/bus"},
	"github.com/shirou/gopsutil":    {"internal/proc"},
	"gonum.org/":                    {"report"},
	"golang.org/x/sys/unix":         {"internal/evloop", "internal/proc"},
	"github.com/goccy/go-yaml":      {"scenarios"},
	"github.com/gobwas/ws":          {"echo"},
	"github.com/google/jsonschema-": {"scenarios"},
}

type listed struct {
	ImportPath string
	Imports    []string
}

func TestImports(t *testing.T) {
	packages := list(t)
	if len(packages) < 10 {
		t.Fatalf("go list names %d packages; the test has lost its subject", len(packages))
	}
	for _, p := range packages {
		name := strings.TrimPrefix(p.ImportPath, "wsgauge/")
		for _, imported := range p.Imports {
			if reason := forbidden(name, imported); reason != "" {
				t.Errorf("%s imports %s: %s", name, imported, reason)
			}
		}
	}
}

func forbidden(name, imported string) string {
	inside, own := strings.CutPrefix(imported, "wsgauge/")
	for _, leaf := range leaves {
		if name == leaf && own {
			return "a leaf imports nothing of this module"
		}
	}
	if own && (name == "report" || strings.HasPrefix(name, "report/")) &&
		inside != "results" && !strings.HasPrefix(inside, "report/") {
		return "report works on records alone"
	}
	for library, places := range owners {
		if !strings.HasPrefix(imported, library) {
			continue
		}
		for _, place := range places {
			if strings.HasPrefix(name+"/", strings.TrimSuffix(place, "/")+"/") {
				return ""
			}
		}
		return "only " + strings.Join(places, " and ") + " may"
	}
	return ""
}

func TestForbidden(t *testing.T) {
	for _, c := range []struct {
		name, imported string
		allowed        bool
	}{
		{"scenarios", "wsgauge/results", false},
		{"report/plot", "wsgauge/results", true},
		{"report/plot", "wsgauge/loadgen", false},
		{"report/plot", "gonum.org/v1/plot", true},
		{"internal/runner", "gonum.org/v1/plot", false},
		{"internal/proc", "golang.org/x/sys/unix", true},
		{"internal/process", "golang.org/x/sys/unix", false},
		{"loadgen", "github.com/gobwas/ws", false},
		{"loadgen", "os", true},
	} {
		if got := forbidden(c.name, c.imported) == ""; got != c.allowed {
			t.Errorf("%s may import %s: %v, want %v", c.name, c.imported, got, c.allowed)
		}
	}
}

func list(t *testing.T) []listed {
	t.Helper()
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports", "wsgauge/...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []listed
	d := json.NewDecoder(strings.NewReader(string(out)))
	for {
		var p listed
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}
