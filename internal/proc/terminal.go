package proc

import (
	"os"

	"golang.org/x/sys/unix"
)

// TerminalWidth is the number of columns of the terminal that f is; ok is false when
// it is none. A terminal that does not know its width has 0.
func TerminalWidth(f *os.File) (columns int, ok bool) {
	size, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
	if err != nil {
		return 0, false
	}
	return int(size.Col), true
}
