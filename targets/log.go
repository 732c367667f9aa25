package targets

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
)

// Bounds of one [Tail.Read]. A proxy that logs a line for every refused
// connection writes megabytes a second; reading them must not cost the harness
// more memory than this.
const (
	tailChunk    = 64 << 10 // read from the file at a time
	tailMaxRead  = 4 << 20  // bytes taken by one Read
	tailMaxLine  = 8 << 10  // bytes kept of one line; the rest is counted, not kept
	tailMaxLines = 20_000   // lines handed out by one Read
)

// LogLine is one line of a target's log.
type LogLine struct {
	Code string // "AH00484"; empty for a line without a code
	Text string // without its line end, cut after 8 KiB
}

// Tail hands out the new lines of a log file that another process writes. The
// zero offset is the file's beginning, since every trial has a log of its own.
//
// A file that is not there yet has no lines. A file that was replaced (another
// file under the same name) is read to its end before the new one is begun; a
// file that became shorter is read anew from its beginning, and what was kept of
// an unfinished line is dropped then. A Tail is not safe for use by several
// goroutines.
type Tail struct {
	Path string
	// Code names the kind of a line; nil: no line has a code.
	Code func(line string) string

	file     *os.File
	read     int64  // bytes of file taken so far
	partial  []byte // the beginning of a line whose end is not written yet
	cutBytes int64
	buf      []byte // where pending lies
	pending  []byte // taken from the file, not yet handed out
}

// Read returns the lines completed since the last call, oldest first. It takes
// at most 4 MiB and 20,000 lines at a time: call it until it returns none to be
// sure of having everything. A last line without its line end is kept for the
// next call, or for [Tail.Close]. Lines returned with an error are good.
func (t *Tail) Read() ([]LogLine, error) {
	var lines []LogLine
	budget := tailMaxRead
	for {
		lines = t.split(lines)
		if len(lines) >= tailMaxLines || budget <= 0 {
			return lines, nil
		}
		n, err := t.fill()
		budget -= n
		if err != nil {
			return lines, err
		}
		if n == 0 {
			return lines, nil
		}
	}
}

// Close reads what is left, takes a last line without a line end as a line (its
// writer was killed in the middle of it), and closes the file. At most as much
// is returned as by one Read.
func (t *Tail) Close() ([]LogLine, error) {
	lines, err := t.Read()
	if len(t.partial) > 0 {
		lines = append(lines, t.line(t.partial))
	}
	t.partial, t.pending, t.buf = nil, nil, nil
	if t.file != nil {
		err = errors.Join(err, t.file.Close())
		t.file = nil
	}
	return lines, err
}

// Cut is the number of bytes that were read but not handed out, because they
// stood beyond the first 8 KiB of their line.
func (t *Tail) Cut() int64 { return t.cutBytes }

// fill takes the next piece of the file into pending and returns its size; 0
// means that there is nothing new.
func (t *Tail) fill() (int, error) {
	if t.file == nil {
		if err := t.open(); err != nil || t.file == nil {
			return 0, err
		}
	}
	for {
		n, err := t.readAt()
		if n > 0 || err != nil {
			return n, err
		}
		changed, err := t.follow()
		if err != nil || !changed {
			return 0, err
		}
	}
}

func (t *Tail) open() error {
	f, err := os.Open(t.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading a target's log: %w", err)
	}
	t.file, t.read = f, 0
	return nil
}

// readAt fills pending, which is empty whenever it is called.
func (t *Tail) readAt() (int, error) {
	if t.buf == nil {
		t.buf = make([]byte, tailChunk)
	}
	n, err := t.file.ReadAt(t.buf, t.read)
	t.pending = t.buf[:n]
	t.read += int64(n)
	if err != nil && err != io.EOF {
		return n, fmt.Errorf("reading a target's log: %w", err)
	}
	return n, nil
}

// follow is asked when the open file has nothing more, and tells whether there
// is something else to read: the same file from its beginning after it was
// truncated, or another file that has taken its name.
func (t *Tail) follow() (bool, error) {
	ours, err := t.file.Stat()
	if err != nil {
		return false, fmt.Errorf("reading a target's log: %w", err)
	}
	if ours.Size() < t.read {
		t.read, t.partial = 0, nil
		return true, nil
	}
	named, err := os.Stat(t.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil // moved away, the new one not made yet
	}
	if err != nil {
		return false, fmt.Errorf("reading a target's log: %w", err)
	}
	if os.SameFile(ours, named) {
		return false, nil
	}
	err = t.file.Close()
	t.file, t.partial = nil, nil
	if err != nil {
		return false, fmt.Errorf("reading a target's log: %w", err)
	}
	if err := t.open(); err != nil {
		return false, err
	}
	return t.file != nil, nil
}

// split moves whole lines from pending to lines and the rest to partial.
func (t *Tail) split(lines []LogLine) []LogLine {
	for len(t.pending) > 0 && len(lines) < tailMaxLines {
		piece, rest, whole := bytes.Cut(t.pending, []byte{'\n'})
		t.pending = rest
		room := tailMaxLine - len(t.partial)
		if len(piece) > room {
			t.cutBytes += int64(len(piece) - room)
			piece = piece[:room]
		}
		t.partial = append(t.partial, piece...)
		if whole {
			lines = append(lines, t.line(t.partial))
			t.partial = t.partial[:0]
		}
	}
	return lines
}

// line makes a LogLine. Text that is not UTF-8 is mended here, since records
// are JSON and may hold nothing else.
func (t *Tail) line(text []byte) LogLine {
	l := LogLine{Text: strings.ToValidUTF8(strings.TrimRight(string(text), "\r"), "\uFFFD")}
	if t.Code != nil {
		l.Code = t.Code(l.Text)
	}
	return l
}
