package plot

import "math"

// requestsByPercentile sets plain HTTP requests beside the messages of the tunnels, on the
// same axes. It is empty for a run without requests.
func requestsByPercentile(s *source) Chart {
	c := Chart{Name: "http-percentile", Title: "HTTP beside WebSocket, by percentile",
		Caption: "Response time, from when a request or a message was due to its answer; each percentile is the median over the valid trials. A request has a connection taken from a few that are kept, or opened for it; a message has its tunnel.",
		Table:   Table{Head: []string{"target", "what", "trials", "p50", "p90", "p99", "p99.9", "p99.99"}}}
	web := Panel{Title: "plain requests", X: Axis{Label: "percentile", Nines: true}, Y: Axis{Label: "response time", Unit: "ns", Log: true}}
	ws := web
	ws.Title = "messages of tunnels"
	var censored, too bool
	var rows, more [][]string
	web.Lines, rows, censored = s.percentiles(httpMetric, httpFigure)
	if web.empty() {
		return c
	}
	ws.Lines, more, too = s.percentiles(metric, metric)
	for _, row := range rows {
		c.Table.Rows = append(c.Table.Rows, append([]string{row[0], "requests"}, row[1:]...))
	}
	for _, row := range more {
		c.Table.Rows = append(c.Table.Rows, append([]string{row[0], "messages"}, row[1:]...))
	}
	if censored || too {
		c.Caption += unansweredToo
	}
	c.Panels = sameHeight(web, ws)
	c.Alt = "Two panels of response time over percentile, on logarithmic axes. Requests: " + sentences(web.Lines, "ns", "at the end of its line") +
		" Messages: " + sentences(ws.Lines, "ns", "at the end of its line")
	return c
}

// requestsOverTime is the same second by second.
func requestsOverTime(s *source) Chart {
	c := Chart{Name: "http-time", Title: "HTTP beside WebSocket, over time", Table: Table{Head: []string{"target", "block", "time", "p50", "p99", "max", "requests"}}}
	web, webTail, rows := s.bySecond(httpMetric, httpFigure)
	if web.empty() && webTail.empty() {
		return c
	}
	_, wsTail, _ := s.bySecond(metric, metric)
	webTail.Title, wsTail.Title = "plain requests: "+webTail.Title, "messages of tunnels: "+wsTail.Title
	c.Panels = sameHeight(webTail, wsTail)
	var list []*Panel
	for i := range c.Panels {
		list = append(list, &c.Panels[i])
	}
	c.Caption = "Response time of the slowest of each second, by the time of the answer, in the first valid trial of each target." + s.mark(httpFigure+".p99", list...)
	c.Table.Rows = rows
	c.Table = c.Table.bounded()
	c.Alt = "Two panels of lines over time on a logarithmic axis. Requests: " + peaks(webTail.Lines, "ns") + " Messages: " + peaks(wsTail.Lines, "ns")
	return c
}

// sameHeight gives panels one range of values, and leaves out those without lines.
func sameHeight(panels ...Panel) (out []Panel) {
	low, high := math.Inf(1), 0.0
	for _, p := range panels {
		if !p.empty() {
			l, h := p.extent(func(l Line) []float64 { return l.Y })
			low, high = min(low, l), max(high, h)
		}
	}
	for _, p := range panels {
		if !p.empty() {
			p.Holds = [2]float64{low, high}
			out = append(out, p)
		}
	}
	return out
}
