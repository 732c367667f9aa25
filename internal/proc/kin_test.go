package proc

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestDaemonsThatOutliveTheirParent(t *testing.T) {
	for name, daemon := range map[string]string{
		"marked": "setsid sh -c 'echo $$ > $0; exec sleep 100' FILE >/dev/null 2>&1 &",
		// Known only because it was seen in the tree when Stop began.
		"unmarked": "setsid env -i sh -c 'echo $$ > $0; exec sleep 100' FILE >/dev/null 2>&1 &",
		"stubborn": "setsid sh -c 'trap \"\" TERM; echo $$ > $0; while :; do sleep 1; done' FILE >/dev/null 2>&1 &",
	} {
		t.Run(name, func(t *testing.T) {
			k := newKeeper(t)
			file := filepath.Join(t.TempDir(), "pid")
			c := start(t, k, strings.ReplaceAll(daemon, "FILE", file)+" sleep 100; :")
			pid := pidIn(t, file)
			if !alive(pid) {
				t.Fatal("the daemon does not run")
			}
			if err := c.Stop(t.Context(), 5*time.Second); err != nil {
				t.Fatal(err)
			}
			if _, err := new(reader).stat(pid); !gone(err) {
				t.Errorf("the daemon is still there, or nobody collected it (%v)", err)
			}
		})
	}
}

func TestDaemonOfAChildThatHasEnded(t *testing.T) {
	k := newKeeper(t)
	file := filepath.Join(t.TempDir(), "pid")
	c := start(t, k, "setsid sh -c 'echo $$ > "+file+"; exec sleep 100' >/dev/null 2>&1 & sleep 0.1")
	<-c.Done()
	pid := pidIn(t, file)
	if s, err := new(reader).stat(pid); err != nil || s.parent != os.Getpid() {
		t.Fatalf("parent of the orphan is %d (%v), want us, %d", s.parent, err, os.Getpid())
	}
	if err := k.Close(); err != nil {
		t.Fatal(err)
	}
	if alive(pid) {
		t.Error("the daemon lives on")
	}
}

// Orphans that end while the run goes on must not stay as zombies, and nobody
// else's status may be taken.
func TestOrphansAreCollected(t *testing.T) {
	k := newKeeper(t)
	dir := t.TempDir()
	// Orphans: one in the child's group, one in a session of its own.
	c := start(t, k, "sh -c 'echo $$ > "+dir+"/group; sleep 0.3' & setsid sh -c 'echo $$ > "+dir+"/session; sleep 0.3' & sleep 0.1")
	other := exec.Command("sh", "-c", "exit 7")
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	<-c.Done()
	for _, name := range []string{"group", "session"} {
		pid := pidIn(t, filepath.Join(dir, name))
		eventually(t, "the orphan of the "+name+" collected", 5*time.Second, func() bool {
			_, err := new(reader).stat(pid)
			return gone(err)
		})
	}
	if err := other.Wait(); err == nil || err.Error() != "exit status 7" {
		t.Errorf("the status of a child of os/exec: %v", err)
	}
}

func TestCollectLeavesWhatOthersWaitFor(t *testing.T) {
	k := newKeeper(t)
	cmd := exec.Command("sh", "-c", "exit 7")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	pid := cmd.Process.Pid
	k.mu.Lock()
	k.awaited[pid] = true
	k.mu.Unlock()
	eventually(t, "its end", 5*time.Second, func() bool { return !alive(pid) })
	s, err := new(reader).stat(pid)
	if err != nil {
		t.Fatal(err)
	}
	k.collect(s)
	if err := cmd.Wait(); err == nil || err.Error() != "exit status 7" {
		t.Errorf("its status was taken: %v", err)
	}
}

func TestManyGrandchildren(t *testing.T) {
	k := newKeeper(t)
	c := start(t, k, "for i in $(seq 300); do sleep 100 & done; echo ready; trap '' TERM; wait; wait")
	eventually(t, "ready", 20*time.Second, func() bool { return c.Tail() == "ready" })
	if err := c.Stop(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	nothingLeft(t, k.Marker())
}
