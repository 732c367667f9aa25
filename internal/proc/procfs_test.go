package proc

import (
	"os"
	"slices"
	"strconv"
	"testing"
	"time"
)

func TestParseStat(t *testing.T) {
	const line = "42 (a) b (c) Z 1 40 39 0 -1 4227148 229 0 0 0 17 5 30 2 20 0 6 0 176387 0 123 18446744073709551615 0\n"
	s, err := parseStat([]byte(line))
	want := stat{pid: 42, name: "a) b (c", state: 'Z', parent: 1, group: 40, session: 39,
		user: 170 * time.Millisecond, system: 50 * time.Millisecond,
		waitedUser: 300 * time.Millisecond, waitedSystem: 20 * time.Millisecond,
		threads: 6, start: 176387, rssPages: 123}
	if err != nil || s != want {
		t.Errorf("%+v (%v), want %+v", s, err, want)
	}
	for _, bad := range []string{"", "42", "42 (x", "42 (x)", "42 (x) R", "42 (x) R 1 2 3", ") (", "(x) R 1",
		"42 (x) R a 40 39 0 -1 4227148 229 0 0 0 17 5 30 2 20 0 6 0 176387 0 123 1"} {
		if s, err := parseStat([]byte(bad)); err == nil {
			t.Errorf("%q gave %+v", bad, s)
		}
	}
}

func FuzzParseStat(f *testing.F) {
	f.Add([]byte("42 (a) b (c) Z 1 40 39 0 -1 4227148 229 0 0 0 17 5 30 2 20 0 6 0 176387 0 123 1\n"))
	f.Add([]byte("1 () R"))
	own, err := os.ReadFile("/proc/self/stat")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(own)
	f.Fuzz(func(t *testing.T, line []byte) {
		s, err := parseStat(line)
		if err == nil && (s.state == 0 || s.start > 1<<62) {
			t.Errorf("%q gave %+v", line, s)
		}
	})
}

func TestListing(t *testing.T) {
	l, err := newListing()
	if err != nil {
		t.Fatal(err)
	}
	defer l.close()
	for range 2 { // the second time from the beginning again
		pids, err := l.pids(nil)
		if err != nil || !slices.Contains(pids, os.Getpid()) || !slices.Contains(pids, 1) {
			t.Errorf("pids %v (%v)", pids, err)
		}
	}
	// A buffer that holds few names takes many calls.
	l.buf = l.buf[:300]
	entries, err := os.ReadDir("/proc")
	if err != nil {
		t.Fatal(err)
	}
	pids, err := l.pids(nil)
	if err != nil {
		t.Fatal(err)
	}
	have := map[int]bool{}
	for _, pid := range pids {
		have[pid] = true
	}
	for _, e := range entries {
		if pid, err := strconv.Atoi(e.Name()); err == nil && !have[pid] && alive(pid) {
			t.Errorf("pid %d is missing", pid)
		}
	}
}

func TestReaderGrows(t *testing.T) {
	file := t.TempDir() + "/long"
	text := make([]byte, 20_000)
	for i := range text {
		text[i] = byte('a' + i%26)
	}
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	var r reader
	for _, limit := range []int{1 << 20, 20_000, 5_000, 10} {
		got, err := r.read(file, limit)
		if err != nil || string(got) != string(text[:min(limit, len(text))]) {
			t.Errorf("limit %d: %d bytes (%v)", limit, len(got), err)
		}
	}
}

func TestHasEnv(t *testing.T) {
	k := newKeeper(t)
	c, err := k.Start(Spec{Argv: []string{"sleep", "100"}, Env: []string{"A=1", "EMPTY="}})
	if err != nil {
		t.Fatal(err)
	}
	var r reader
	for entry, want := range map[string]bool{"A=1": true, "EMPTY=": true, "A=": false, "A=12": false, "=1": false, k.Marker(): true} {
		if got := r.hasEnv(c.PID(), entry); got != want {
			t.Errorf("%q: %v", entry, got)
		}
	}
}
