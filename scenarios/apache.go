package scenarios

import "time"

// apache checks what the server would change without a word, or refuse after the
// run has begun. What it does with limits that are too small is left to it: that
// is what scenarios measure.
func (b *builder) apache(raw *rawApache) *Apache {
	if b.ownConfig(raw, raw.Config, raw.Listen, &raw.TLS, "scoreboard") {
		return &Apache{Config: b.file(raw.Config), Listen: raw.Listen.v, Server: b.file(raw.Server),
			TLS: b.frontend(&raw.TLS), Scoreboard: raw.Scoreboard.v}
	}
	b.foreignKeys(raw)
	workers, threads := raw.MaxRequestWorkers, raw.ThreadsPerChild
	switch {
	case !workers.known || !threads.known || !threads.given() || raw.MPM.v == "prefork":
	case threads.v > workers.v:
		b.add(threads.mark, "", "threads_per_child %d is more than max_request_workers %d", threads.v, workers.v)
	case workers.v%threads.v != 0:
		down := workers.v / threads.v * threads.v
		b.add(workers.mark, "", "max_request_workers %d is not a multiple of threads_per_child %d, and the server would make it %d (write %d or %d)",
			workers.v, threads.v, down, down, down+threads.v)
	}
	for _, d := range []struct {
		key   string
		value duration
	}{{"timeout", raw.Timeout}, {"proxy_timeout", raw.ProxyTimeout}, {"worker_timeout", raw.WorkerTimeout},
		{"graceful_shutdown_timeout", raw.GracefulShutdownTimeout}} {
		if d.value.known && d.value.v%time.Second != 0 {
			b.add(d.value.mark, "", "%s: Apache counts whole seconds here, not %v", d.key, d.value.v)
		}
	}
	a := raw.build()
	a.Server, a.TLS, a.Balancer = b.file(raw.Server), b.tls(&raw.TLS), b.balancer(&raw.Balancer)
	return a
}

func (b *builder) balancer(raw *rawBalancer) *Balancer {
	if !raw.given() {
		return nil
	}
	if n, have := raw.Members, b.backend.Instances; n.known && have.known && !b.backend.External.given() && n.v > have.v {
		b.add(n.mark, "raise the backend's instances", "balancer: %d members are more than the %d instances of the backend", n.v, have.v)
	} else if n.known && n.v > 1 && b.backend.External.given() {
		b.add(n.mark, "leave it out", "balancer: %d members are more than the one address of an external backend", n.v)
	}
	if raw.Retry.known && raw.Retry.v%time.Second != 0 {
		b.add(raw.Retry.mark, "", "retry: Apache counts whole seconds here, not %v", raw.Retry.v)
	}
	return &Balancer{Members: raw.Members.v, LBMethod: raw.LBMethod.v, Sticky: raw.Sticky.v, Retry: raw.Retry.v}
}

// foreignKeys reports keys of another MPM.
func (b *builder) foreignKeys(raw *rawApache) {
	if !raw.MPM.known {
		return
	}
	prefork := raw.MPM.v == "prefork"
	for _, k := range []struct {
		key     string
		at      mark
		foreign bool
	}{
		{"threads_per_child", raw.ThreadsPerChild.mark, prefork},
		{"thread_limit", raw.ThreadLimit.mark, prefork},
		{"min_spare_threads", raw.MinSpareThreads.mark, prefork},
		{"max_spare_threads", raw.MaxSpareThreads.mark, prefork},
		{"thread_stack_size", raw.ThreadStackSize.mark, prefork},
		{"async_request_worker_factor", raw.AsyncRequestWorkerFactor.mark, raw.MPM.v != "event"},
		{"min_spare_servers", raw.MinSpareServers.mark, !prefork},
		{"max_spare_servers", raw.MaxSpareServers.mark, !prefork},
	} {
		if k.foreign && k.at.given() {
			b.add(k.at, "remove it, or choose another mpm", "%s does not exist in MPM %s", k.key, raw.MPM.v)
		}
	}
}

func (raw *rawApache) build() *Apache {
	return &Apache{
		MPM: raw.MPM.v, Route: raw.Route.v, Start: raw.Start.v,
		ServerLimit: raw.ServerLimit.v, StartServers: raw.StartServers.v,
		ThreadsPerChild: raw.ThreadsPerChild.v, ThreadLimit: raw.ThreadLimit.v, MaxRequestWorkers: raw.MaxRequestWorkers.v,
		MinSpareThreads: raw.MinSpareThreads.v, MaxSpareThreads: raw.MaxSpareThreads.v,
		MinSpareServers: raw.MinSpareServers.v, MaxSpareServers: raw.MaxSpareServers.v,
		MaxConnectionsPerChild: raw.MaxConnectionsPerChild.v, ThreadStackSize: raw.ThreadStackSize.v,
		ListenBacklog: raw.ListenBacklog.v, AsyncRequestWorkerFactor: raw.AsyncRequestWorkerFactor.v,
		GracefulShutdownTimeout: raw.GracefulShutdownTimeout.v,
		Timeout:                 raw.Timeout.v, ProxyTimeout: raw.ProxyTimeout.v, WorkerTimeout: raw.WorkerTimeout.v,
		HostnameLookups: raw.HostnameLookups.v, LogLevel: raw.LogLevel.v, Extra: raw.Extra.v,
		Scoreboard: raw.Scoreboard.v,
	}
}
