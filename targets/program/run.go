package program

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// askTimeout bounds a question to a program. They take milliseconds on an idle machine.
const askTimeout = 20 * time.Second

// mostOutput is how much of an answer is kept, in bytes.
const mostOutput = 64 << 10

// Command is one question to a program.
type Command struct {
	Argv []string
	Env  []string // additions to our environment
	Dir  string   // empty: ours
}

// Run asks and returns what was answered, standard output and standard error
// together, without the blanks around it, 64 KiB at most. The program gets a process
// group of its own: the Ctrl-C of a terminal goes to all of ours, and would make it
// look like a program that cannot be used.
func Run(c Command) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), askTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, c.Argv[0], c.Argv[1:]...)
	cmd.Dir, cmd.Env = c.Dir, append(os.Environ(), c.Env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) } // all that it has started
	cmd.WaitDelay = time.Second
	var out limited
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	if ctx.Err() != nil {
		err = fmt.Errorf("no answer within %v", askTimeout)
	}
	return strings.ToValidUTF8(string(bytes.TrimSpace(out.bytes)), "\uFFFD"), err
}

// limited keeps the beginning of what is written to it.
type limited struct{ bytes []byte }

func (l *limited) Write(p []byte) (int, error) {
	l.bytes = append(l.bytes, p[:min(len(p), mostOutput-len(l.bytes))]...)
	return len(p), nil
}

// Check has a program check its configuration by c. Its complaint comes back as it
// made it.
func (p Program) Check(c Command) error {
	out, err := Run(c)
	if err == nil {
		return nil
	}
	return &CheckError{Program: p, Output: out, Err: err}
}

// CheckError says that a program refuses its configuration.
type CheckError struct {
	Program Program
	Where   string // "line 2 of `extra:`"; empty: the output says it
	Output  string // the program's own words
	Err     error  // how it ended
}

// Error holds the program's words.
func (e *CheckError) Error() string {
	where := ""
	if e.Where != "" {
		where = " (" + e.Where + ")"
	}
	return fmt.Sprintf("%s refuses its configuration%s: %v%s", e.Program.Path, where, e.Err, Quoted(e.Output))
}

// Unwrap returns how the program ended.
func (e *CheckError) Unwrap() error { return e.Err }

// Quoted sets a program's output under an error, if there is any. Of a long one the
// end is kept, where complaints stand.
func Quoted(out string) string {
	if out == "" {
		return ""
	}
	const most = 2000
	if len(out) > most {
		out = "... " + strings.ToValidUTF8(out[len(out)-most:], "")
	}
	return "\n" + out
}
