package html

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"wsgauge/report/quantity"
	"wsgauge/results"
)

// fact is a line of the environment.
type fact struct{ Name, Value string }

// facts says where and how the run was made; what was not recorded is left out.
func facts(d *results.RunData) []fact {
	r := d.Run
	var out []fact
	add := func(name, value string) {
		if strings.TrimSpace(value) != "" {
			out = append(out, fact{name, value})
		}
	}
	add("run", filepath.Base(d.Path))
	add("started", moment(r.StartedAt))
	if !r.EndedAt.IsZero() {
		add("took", r.EndedAt.Sub(r.StartedAt).Round(time.Second).String())
	}
	add("wsgauge", join(r.Tool.Version, r.Tool.Go, sum(r.Tool.SHA256)))
	add("host", join(r.Host.Name, r.Host.OS, r.Host.Kernel, r.Host.Arch))
	if r.Host.CPUs > 0 {
		add("machine", join(fmt.Sprintf("%d × %s", r.Host.CPUs, r.Host.CPU), quantity.Format(float64(r.Host.MemoryBytes), "B")))
	}
	if b := r.Backend; b != nil {
		add("backend", backend(b))
	}
	add("placement", placement(r.Placement))
	if l := r.Limits; l.NofileHard > 0 {
		add("limits", fmt.Sprintf("descriptors %d soft, %d hard; processes %d; pid_max %d", l.NofileSoft, l.NofileHard, l.Nproc, l.PidMax))
	}
	add("params", params(r.Params))
	add("seed", fmt.Sprint(r.Seed))
	add("agents", fmt.Sprint(r.Agents))
	for i, order := range r.Order {
		add(fmt.Sprintf("block %d", i+1), strings.Join(order, ", "))
	}
	for _, key := range slices.Sorted(maps.Keys(r.Host.Sysctls)) {
		add(key, r.Host.Sysctls[key])
	}
	return out
}

// backend says what the echo server was.
func backend(b *results.BackendInfo) string {
	if b.URL != "" {
		return b.URL + ", which was not started by wsgauge"
	}
	how := ""
	if b.TLS {
		how = "wss"
	}
	many := ""
	if b.Instances > 1 {
		many = fmt.Sprintf("%d instances", b.Instances)
	}
	return join(b.Version, many, how)
}

// params are the values of the scenario's names, those of the command line included.
func params(list map[string]string) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(list)) {
		parts = append(parts, name+"="+list[name])
	}
	return strings.Join(parts, ", ")
}

func placement(p results.Placement) string {
	var parts []string
	for _, x := range []fact{{"target", p.Target}, {"agents", p.Agents}, {"backend", p.Backend}, {"controller", p.Controller}} {
		if x.Value != "" {
			parts = append(parts, x.Name+" on CPU "+x.Value)
		}
	}
	for _, target := range slices.Sorted(maps.Keys(p.PerTarget)) {
		parts = append(parts, target+" on CPU "+p.PerTarget[target])
	}
	if len(parts) > 0 && p.AgentsNice != 0 {
		parts = append(parts, fmt.Sprintf("agents at nice %d", p.AgentsNice))
	}
	if len(parts) > 0 && p.Realtime {
		parts = append(parts, "agents and backend before ordinary threads while they use little")
	}
	return strings.Join(parts, "; ")
}

func moment(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02 15:04:05 UTC")
}

func join(words ...string) string {
	return strings.Join(slices.DeleteFunc(words, func(s string) bool { return s == "" }), ", ")
}

func sum(sha256 string) string {
	if sha256 == "" {
		return ""
	}
	return "sha256 " + sha256
}

// target is what stood between, exactly.
type target struct {
	results.TargetInfo
	Facts []fact
}

func targets(d *results.RunData) []target {
	var out []target
	for _, info := range d.Run.Targets {
		t := target{TargetInfo: info}
		cpus := d.Run.Placement.PerTarget[info.Name]
		if cpus == "" {
			cpus = d.Run.Placement.Target
		}
		for _, f := range []fact{{"kind", info.Kind}, {"version", info.Version}, {"path", info.Path}, {"sha256", info.SHA256}, {"descriptors, soft:hard", info.Nofile}, {"CPUs", cpus}} {
			if f.Value != "" && (f.Name != "CPUs" || info.Kind != "direct" && info.Kind != "external") {
				t.Facts = append(t.Facts, f)
			}
		}
		out = append(out, t)
	}
	return out
}

// command is the command line as a shell would take it again.
func command(argv []string) string {
	var words []string
	for _, w := range argv {
		if w == "" || strings.ContainsFunc(w, func(r rune) bool {
			return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./=:,@%+", r))
		}) {
			w = "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
		}
		words = append(words, w)
	}
	return strings.Join(words, " ")
}
