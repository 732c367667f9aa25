package runner

import (
	"net/netip"
	"time"

	"wsgauge/internal/evloop"
	"wsgauge/internal/proc"
	"wsgauge/results"
)

func (s *sampler) write(row results.Sample) {
	if err := s.trial.run.dir.AppendSample(row); err != nil && s.failed == nil {
		s.failed = err
		s.trial.run.keepError(err)
	}
}

func (s *sampler) blank(at time.Time, group string) results.Sample {
	return results.Sample{TS: at.Sub(s.trial.run.start).Seconds(), Block: s.trial.record.Block,
		Target: s.trial.target.Name, Step: s.step(), Group: group}
}

func (s *sampler) row(at time.Time, group string, u proc.Usage) results.Sample {
	row := s.blank(at, group)
	if u.CPU >= 0 {
		row.CPUSeconds, row.CPUUserSeconds, row.CPUSystemSeconds = seconds(u.CPU), seconds(u.User), seconds(u.System)
	}
	row.RSSBytes, row.PSSBytes = measured(u.RSS), measured(u.PSS)
	row.FDs, row.Threads, row.Processes = measured(int64(u.FDs)), measured(int64(u.Threads)), measured(int64(u.Processes))
	if group == "target" {
		s.trial.board.fill(&row, at)
	}
	if group == "agents" {
		row.MessagesOutstanding, row.TunnelsOpen = measured(int64(s.now.outstanding)), measured(int64(s.now.open))
	}
	return row
}

// machine is the row of what belongs to no process.
func (s *sampler) machine(at time.Time, m proc.MachineUsage, err error, began int64) results.Sample {
	row := s.blank(at, results.Machine)
	if err == nil {
		row.StealSeconds, row.SocketMemoryBytes = seconds(m.Steal), measured(m.SocketMemoryBytes)
		s.steal = m.Steal - s.stealAt
	}
	s.sockets(&row, at)
	var worst, p99 time.Duration
	for _, l := range s.lateness {
		if a, b, naps, err := l.Take(); err == nil && naps > 0 {
			worst, p99 = max(worst, a), max(p99, b)
			row.LatenessMaxNs, row.LatenessP99Ns = measured(int64(worst)), measured(int64(p99))
		}
	}
	cost := float64(evloop.Now()-began) / 1e9
	row.SampleCostSeconds = &cost
	return row
}

// socketsShare bounds what counting sockets may take of the time. The kernel walks
// through all of the machine's, half a microsecond each, in stretches that nothing
// interrupts: with 400,000 that every second would be what is measured.
const socketsShare = 0.05

// sockets counts the sockets of both legs, when it is time to again.
func (s *sampler) sockets(row *results.Sample, at time.Time) {
	began := evloop.Now()
	if began < s.socketsDue {
		return
	}
	defer func() { s.socketsDue = began + int64(float64(evloop.Now()-began)/socketsShare) }()
	t := s.trial
	low, high, ranged := portRange(t.run.record.Host.Sysctls["net.ipv4.ip_local_port_range"])
	ephemeral := 0
	legs, err := proc.Sockets(func(local, remote netip.AddrPort) string {
		if p := int(local.Port()); p >= low && p <= high {
			ephemeral++
		}
		return t.leg(local, remote)
	})
	if err != nil {
		return // not measured
	}
	if ranged {
		row.EphemeralPorts = count(ephemeral)
	}
	if t.instance.Reach != nil && !t.local {
		// Only the clients' end is here, whose other states are not the target's.
		row.FrontEstablished = count(legs["front"]["ESTABLISHED"])
		return
	}
	front, back := legs["front"], legs["back"]
	row.FrontEstablished, row.FrontTimeWait = count(front["ESTABLISHED"]), count(front["TIME_WAIT"])
	row.FrontCloseWait = count(front["CLOSE_WAIT"])
	row.FrontFinWait = count(front["FIN_WAIT1"] + front["FIN_WAIT2"])
	for i, n := range t.instances() {
		its := s.blank(at, backendGroup(i))
		its.BackEstablished = count(int(n))
		s.write(its)
	}
	if len(s.roots["target"]) > 0 {
		row.BackEstablished, row.BackTimeWait = count(back["ESTABLISHED"]), count(back["TIME_WAIT"])
		row.BackCloseWait = count(back["CLOSE_WAIT"])
		row.BackFinWait = count(back["FIN_WAIT1"] + back["FIN_WAIT2"])
	}
}

func seconds(d time.Duration) *float64 {
	v := d.Seconds()
	return &v
}

// measured is nil for the negative values that stand for "not measured".
func measured(n int64) *float64 {
	if n < 0 {
		return nil
	}
	v := float64(n)
	return &v
}

func count(n int) *float64 {
	v := float64(n)
	return &v
}
