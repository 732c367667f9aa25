package proc

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"
)

func newProber(t testing.TB) *Prober {
	t.Helper()
	p, err := NewProber()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

func sample(t testing.TB, p *Prober, pss bool, roots ...int) Usage {
	t.Helper()
	u, err := p.Usage(roots, pss)
	if err != nil {
		t.Fatal(err)
	}
	if u.User+u.System != u.CPU {
		t.Errorf("user %v + system %v is not %v", u.User, u.System, u.CPU)
	}
	return u
}

func TestUsageCounts(t *testing.T) {
	k, p := newKeeper(t), newProber(t)
	c := start(t, k, "exec 7</dev/null; sleep 100 & sleep 100 & sleep 0.1 & echo ready; exec sleep 100")
	// The fourth ends, and the one that the shell has become does not wait for it.
	eventually(t, "all processes", 5*time.Second, func() bool {
		return c.Tail() == "ready" && sample(t, p, false, c.PID()).Processes == 3 && len(p.members) == 4
	})
	u := sample(t, p, true, c.PID())
	fds := listedFDs(t, p)
	if u.Processes != 3 || u.Threads != 3 || u.FDs != fds || fds < 12 {
		t.Errorf("%d processes, %d threads, %d descriptors; want 3, 3, %d", u.Processes, u.Threads, u.FDs, fds)
	}
	if u.RSS <= 0 || u.PSS <= 0 || u.PSS > u.RSS || u.Swap < 0 {
		t.Errorf("RSS %d, PSS %d, swap %d", u.RSS, u.PSS, u.Swap)
	}
	if u := sample(t, p, false, c.PID()); u.PSS != -1 || u.Swap != -1 {
		t.Errorf("PSS %d and swap %d although they were not asked for", u.PSS, u.Swap)
	}
	p.fdsBySize = false
	if u := sample(t, p, false, c.PID()); u.FDs != fds {
		t.Errorf("%d descriptors when they are listed, want %d", u.FDs, fds)
	}
	before := sample(t, p, false, c.PID())
	if err := c.Stop(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	u = sample(t, p, true, c.PID())
	if u.Processes != 0 || u.RSS != 0 || u.FDs != 0 || u.CPU < before.CPU {
		t.Errorf("after the end: %+v, before: CPU %v", u, before.CPU)
	}
}

// listedFDs counts the members' descriptors from outside.
func listedFDs(t *testing.T, p *Prober) int {
	t.Helper()
	sum := 0
	for pid, m := range p.members {
		if m.ended() {
			continue
		}
		names, err := os.ReadDir(procPath(pid, "fd"))
		if err != nil {
			t.Fatal(err)
		}
		sum += len(names)
	}
	return sum
}

func TestUnreadableIsNotZero(t *testing.T) {
	u := (&gauges{fds: 5, rss: 5, pss: 5, noFDs: true, noRSS: true, noPSS: true, noSwap: true}).usage(true)
	if u.FDs != -1 || u.RSS != -1 || u.PSS != -1 || u.Swap != -1 {
		t.Errorf("%+v: every figure that is not whole must be -1", u)
	}
	if os.Geteuid() == 0 {
		return // root may read everything; another user may not look at pid 1
	}
	p := newProber(t)
	p.fdsBySize = false
	u, err := p.Alone(1, true)
	if err != nil || u.FDs != -1 || u.PSS != -1 {
		t.Errorf("%+v (%v): the descriptors and PSS of pid 1", u, err)
	}
}

// sums adds up the times that the kernel keeps for a process and the children it
// waited for.
func sums(t *testing.T, pid int) time.Duration {
	t.Helper()
	s, err := new(reader).stat(pid)
	if err != nil {
		t.Fatal(err)
	}
	return cpuTime(&s) + s.waitedUser + s.waitedSystem
}

func TestCPUOfEndedChildren(t *testing.T) {
	k, p := newKeeper(t), newProber(t)
	// 50 children of some milliseconds each, many shorter than a sample's gap.
	c := start(t, k, "busy() { i=0; while [ $i -lt $1 ]; do i=$((i+1)); done; }; "+
		"for n in $(seq 25); do (busy 30000) & (busy 10000); wait; done; echo ready; sleep 100; :")
	var last Usage
	eventually(t, "their end", 20*time.Second, func() bool {
		u := sample(t, p, false, c.PID())
		if u.CPU < last.CPU || u.User < last.User || u.System < last.System {
			t.Errorf("CPU time fell: %+v after %+v", u, last)
		}
		last = u
		return c.Tail() == "ready"
	})
	u := sample(t, p, false, c.PID())
	kernel := sums(t, c.PID())
	if kernel < 100*time.Millisecond {
		t.Fatalf("the children used %v; the test does not test", kernel)
	}
	if d := u.CPU - kernel; d < -30*time.Millisecond || d > 50*time.Millisecond {
		t.Errorf("CPU %v, by the kernel's account %v", u.CPU, kernel)
	}
}

// What an ended process used must stay in the sum whoever waited for it.
func TestCPUOfThoseNobodyAccountsFor(t *testing.T) {
	for name, script := range map[string]string{
		"orphan":  os.Args[0] + " busy 300 & echo ready; sleep 0.1",
		"session": "setsid " + os.Args[0] + " busy 300 & echo ready; sleep 0.1",
		"ignored": "exec " + os.Args[0] + " ignorer 300",
	} {
		t.Run(name, func(t *testing.T) {
			k, p := newKeeper(t), newProber(t)
			c := start(t, k, script)
			seen := map[int]bool{}
			var last Usage
			eventually(t, "the busy one's end", 20*time.Second, func() bool {
				u := sample(t, p, false, c.PID())
				if u.CPU < last.CPU {
					t.Errorf("CPU fell from %v to %v", last.CPU, u.CPU)
				}
				last = u
				others := 0
				for pid := range p.members {
					if pid != c.PID() {
						seen[pid] = true
						others++
					}
				}
				return len(seen) > 0 && others == 0 && u.CPU > 50*time.Millisecond
			})
			// Without the last sample, which keeps the sum from falling.
			p.last = Usage{}
			if u := sample(t, p, false, c.PID()); u.CPU < last.CPU {
				t.Errorf("only the last sample held the sum: %v, then %v", last.CPU, u.CPU)
			}
			if last.CPU < 100*time.Millisecond {
				t.Errorf("CPU %v of the 300ms and more that were used", last.CPU)
			}
		})
	}
}

func TestMembersStay(t *testing.T) {
	k, p := newKeeper(t), newProber(t)
	file := filepath.Join(t.TempDir(), "pid")
	c := start(t, k, "setsid sh -c 'echo $$ > "+file+"; exec sleep 100' & sleep 0.3")
	pid := pidIn(t, file)
	if u := sample(t, p, false, c.PID()); u.Processes < 2 {
		t.Fatalf("%d processes", u.Processes)
	}
	<-c.Done()
	if u := sample(t, p, false, c.PID()); u.Processes != 1 {
		t.Errorf("%d processes; the daemon %d was a member and lives", u.Processes, pid)
	}
	other := start(t, k, "sleep 100 & echo ready; wait")
	eventually(t, "ready", 5*time.Second, func() bool { return other.Tail() == "ready" })
	if u := sample(t, p, false, c.PID()); u.Processes != 1 {
		t.Errorf("%d processes with one that is no member yet", u.Processes)
	}
	if u := sample(t, p, false, c.PID(), other.PID()); u.Processes != 3 {
		t.Errorf("%d processes with the second root and its child, want 3", u.Processes)
	}
}

func TestAlone(t *testing.T) {
	k, p := newKeeper(t), newProber(t)
	start(t, k, "sleep 100 & wait")
	if err := busy("30"); err != nil {
		t.Fatal(err)
	}
	u, err := p.Alone(os.Getpid(), true)
	if err != nil {
		t.Fatal(err)
	}
	var used unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &used); err != nil {
		t.Fatal(err)
	}
	kernel := time.Duration(used.Utime.Nano() + used.Stime.Nano())
	if u.Processes != 1 || u.Threads < 2 || u.FDs < 3 || u.PSS <= 0 || u.CPU > kernel || u.CPU < kernel-100*time.Millisecond {
		t.Errorf("%+v; by getrusage CPU is %v", u, kernel)
	}
	if again, err := p.Alone(os.Getpid(), false); err != nil || again.User < u.User || again.System < u.System || again.CPU <= u.CPU {
		t.Errorf("%+v after %+v (%v)", again, u, err)
	}
	if _, err := p.Alone(1<<22, false); err == nil {
		t.Error("a process that does not exist was sampled")
	}
}

// However the kernel's ticks fall, no part of the CPU time may.
func TestDivisionNeverFalls(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		times3 := rapid.Custom(func(t *rapid.T) times {
			d := rapid.Int64Range(0, 1e15)
			return times{time.Duration(d.Draw(t, "total")), time.Duration(d.Draw(t, "user")), time.Duration(d.Draw(t, "system"))}
		})
		var last Usage
		for _, sum := range rapid.SliceOf(times3).Draw(t, "samples") {
			total, user, system := sum.since(last)
			if total < last.CPU || user < last.User || system < last.System || user+system != total {
				t.Fatalf("%v = %v + %v after %v = %v + %v", total, user, system, last.CPU, last.User, last.System)
			}
			last = Usage{CPU: total, User: user, System: system}
		}
	})
}

func TestUsageOfNobody(t *testing.T) {
	p := newProber(t)
	if u := sample(t, p, true, 1<<22); u.Processes != 0 || u.CPU != 0 {
		t.Errorf("%+v of a process that does not exist", u)
	}
	if u := sample(t, p, false); u.Processes != 0 {
		t.Errorf("%+v of no root", u)
	}
}

// BenchmarkUsage400 is what a second's sample of 400 prefork children costs: it
// prints the share of one core at a sample a second.
func BenchmarkUsage400(b *testing.B) {
	for _, pss := range []bool{false, true} {
		b.Run(fmt.Sprintf("pss=%v", pss), func(b *testing.B) {
			k, err := NewKeeper(os.Args[0])
			if err != nil {
				b.Fatal(err)
			}
			defer func() {
				if err := k.Close(); err != nil {
					b.Error(err)
				}
			}()
			c, err := k.Start(Spec{Argv: []string{"sh", "-c", "for i in $(seq 400); do sleep 1000 & done; wait"}})
			if err != nil {
				b.Fatal(err)
			}
			p := newProber(b)
			for end := time.Now().Add(20 * time.Second); sample(b, p, false, c.PID()).Processes < 401; {
				if time.Now().After(end) {
					b.Fatal("the children did not start")
				}
			}
			var before, after unix.Rusage
			if err := unix.Getrusage(unix.RUSAGE_SELF, &before); err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				sample(b, p, pss, c.PID())
			}
			if err := unix.Getrusage(unix.RUSAGE_SELF, &after); err != nil {
				b.Fatal(err)
			}
			used := after.Utime.Nano() + after.Stime.Nano() - before.Utime.Nano() - before.Stime.Nano()
			b.ReportMetric(float64(used)/float64(b.N)/1e9*100, "%core@1Hz")
		})
	}
}
