package proc

import (
	"fmt"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

func TestTerminalWidth(t *testing.T) {
	for _, path := range []string{os.DevNull, t.TempDir()} {
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		if columns, ok := TerminalWidth(f); ok {
			t.Errorf("%s is a terminal of %d columns", path, columns)
		}
		f.Close()
	}
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("skipped: no pseudo terminals here: %v", err)
	}
	defer master.Close()
	if err := unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	number, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	terminal, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("skipped: the pseudo terminal cannot be opened: %v", err)
	}
	defer terminal.Close()
	for _, want := range []int{0, 40, 132} {
		if err := unix.IoctlSetWinsize(int(master.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: uint16(want)}); err != nil {
			t.Fatal(err)
		}
		if got, ok := TerminalWidth(terminal); !ok || got != want {
			t.Errorf("a terminal of %d columns has %d (%v)", want, got, ok)
		}
	}
}
