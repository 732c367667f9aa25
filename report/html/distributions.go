package html

import (
	"strings"

	"wsgauge/report/aggregate"
)

// heartbeats shows the round trips of pings, with how many there were and how late the
// generator was with them.
func heartbeats(rows []aggregate.Row) grid {
	return figures(rows, "ping.count", []string{"pings.due", "pings.sent", "pings.answered", "ping.p50", "ping.p99", "ping.max", "ping_lag.p99"},
		"due", "sent", "answered", "p50", "p99", "slowest", "ping lag p99")
}

// distribution shows what is told of a metric.
func distribution(rows []aggregate.Row, metric string) grid {
	return figures(rows, metric+".count", []string{metric + ".count", metric + ".p50", metric + ".p90", metric + ".p99", metric + ".max"},
		"count", "p50", "p90", "p99", "most")
}

// figures is a table of figures, one row for each target of which the count is not 0.
func figures(rows []aggregate.Row, count string, list []string, names ...string) grid {
	g := grid{Head: heads(1, append([]string{"target"}, names...)...)}
	for _, r := range rows {
		if n, err := aggregate.Over(r.Trials, "", count); err != nil || n.State != aggregate.Known && n.State != aggregate.Invalid || n.State == aggregate.Known && n.Value == 0 {
			continue
		}
		due, err := aggregate.Over(r.Trials, "", "pings.due")
		ours := err == nil && due.Value > 0 // those of the backend, nobody counts
		row := []cell{name(r.Name)}
		for _, of := range list {
			a, err := aggregate.Over(r.Trials, "", of)
			if err != nil || strings.HasPrefix(of, "pings.") && !ours {
				row = append(row, cell{})
				continue
			}
			row = append(row, figure(a))
		}
		g.Rows = append(g.Rows, row)
	}
	return g
}
