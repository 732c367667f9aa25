package proc

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// tick is the unit of times in /proc/PID/stat: USER_HZ, which every
// architecture that Go supports fixes at 100.
const tick = 10 * time.Millisecond

// stat is what /proc/PID/stat says of a process (proc_pid_stat(5)).
type stat struct {
	pid     int
	name    string // of the executable, cut to 15 bytes
	state   byte   // R, S, D, T, t, Z (ended, not waited for), X
	parent  int
	group   int
	session int
	// user and system are the process's own CPU time; waitedUser and
	// waitedSystem that of its children that ended and were waited for.
	user, system, waitedUser, waitedSystem time.Duration
	threads                                int
	start                                  uint64 // ticks after boot; with pid, names a process for good
	rssPages                               int64
}

// ended tells whether nothing of the process is left but its exit status.
func (s *stat) ended() bool { return s.state == 'Z' || s.state == 'X' }

var errStat = errors.New("not the format of /proc/PID/stat")

// parseStat reads one line of /proc/PID/stat. The name, in parentheses, may hold
// anything, parentheses and spaces included, so it ends at the last one.
func parseStat(line []byte) (stat, error) {
	var s stat
	open, end := bytes.IndexByte(line, '('), bytes.LastIndexByte(line, ')')
	if open < 2 || end < open || end+2 >= len(line) {
		return s, errStat
	}
	pid, err := strconv.Atoi(string(line[:open-1]))
	if err != nil {
		return s, errStat
	}
	s.pid, s.name = pid, string(line[open+1:end])
	rest := line[end+2:]
	s.state = rest[0]
	// Numbers are counted as the manual counts fields: the state is the third.
	field := 3
	for i := 1; i < len(rest) && field < 24; {
		for i < len(rest) && rest[i] == ' ' {
			i++
		}
		from := i
		for i < len(rest) && rest[i] != ' ' && rest[i] != '\n' {
			i++
		}
		field++
		if err := s.set(field, rest[from:i]); err != nil {
			return s, err
		}
	}
	if field < 24 {
		return s, errStat
	}
	return s, nil
}

// set takes one field by its number in proc_pid_stat(5).
func (s *stat) set(field int, text []byte) error {
	switch field {
	case 4, 5, 6, 14, 15, 16, 17, 20, 22, 24:
	default:
		return nil
	}
	n, ok := number(text)
	if !ok {
		return errStat
	}
	switch field {
	case 4:
		s.parent = int(n)
	case 5:
		s.group = int(n)
	case 6:
		s.session = int(n)
	case 14:
		s.user = time.Duration(n) * tick
	case 15:
		s.system = time.Duration(n) * tick
	case 16:
		s.waitedUser = time.Duration(n) * tick
	case 17:
		s.waitedSystem = time.Duration(n) * tick
	case 20:
		s.threads = int(n)
	case 22:
		s.start = uint64(n)
	case 24:
		s.rssPages = n
	}
	return nil
}

// number reads a decimal number; it allocates nothing, since a sample reads
// thousands.
func number(text []byte) (n int64, ok bool) {
	negative := len(text) > 0 && text[0] == '-'
	if negative {
		text = text[1:]
	}
	if len(text) == 0 || len(text) > 18 {
		return 0, false
	}
	for _, c := range text {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	if negative {
		n = -n
	}
	return n, true
}

// procPath is "/proc/PID/file".
func procPath(pid int, file string) string {
	return "/proc/" + strconv.Itoa(pid) + "/" + file
}

// gone tells whether err is how /proc says that the process no longer exists.
func gone(err error) bool {
	return errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.ESRCH)
}

// reader reads small files of /proc through one buffer. Raw calls: an os.File
// would cost more than the read itself.
type reader struct{ buf []byte }

// read returns the file's content, valid until the next read. A file longer than
// the buffer grows it, up to limit, and is cut there.
func (r *reader) read(path string, limit int) ([]byte, error) {
	if r.buf == nil {
		r.buf = make([]byte, 4096)
	}
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	defer unix.Close(fd)
	n := 0
	for n < limit {
		if n == len(r.buf) {
			r.buf = append(r.buf, make([]byte, len(r.buf))...)
		}
		got, err := unix.Read(fd, r.buf[n:])
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return nil, &os.PathError{Op: "read", Path: path, Err: err}
		}
		if got == 0 {
			break
		}
		n += got
	}
	return r.buf[:min(n, limit)], nil
}

// stat reads /proc/PID/stat.
func (r *reader) stat(pid int) (stat, error) {
	line, err := r.read(procPath(pid, "stat"), 4096)
	if err != nil {
		return stat{}, err
	}
	s, err := parseStat(line)
	if err != nil {
		return s, fmt.Errorf("%s: %w", procPath(pid, "stat"), err)
	}
	return s, nil
}

// maxEnviron bounds how much of a process's environment is searched; the kernel
// itself allows arguments and environment together a quarter of the stack limit.
const maxEnviron = 4 << 20

// hasEnv tells whether the process's environment holds the entry. A process that
// is gone, or that we may not read, does not.
func (r *reader) hasEnv(pid int, entry string) bool {
	env, err := r.read(procPath(pid, "environ"), maxEnviron)
	if err != nil {
		return false
	}
	for len(env) > 0 {
		one, rest, _ := bytes.Cut(env, []byte{0})
		if string(one) == entry {
			return true
		}
		env = rest
	}
	return false
}

// listing lists the pids of the machine again and again through one descriptor.
type listing struct {
	fd  int
	buf []byte
}

func newListing() (*listing, error) {
	fd, err := unix.Open("/proc", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open /proc: %w", err)
	}
	return &listing{fd: fd, buf: make([]byte, 32<<10)}, nil
}

func (l *listing) close() { unix.Close(l.fd) }

// pids appends the pid of every process that is there now.
func (l *listing) pids(to []int) ([]int, error) {
	if _, err := unix.Seek(l.fd, 0, 0); err != nil {
		return to, fmt.Errorf("rewind /proc: %w", err)
	}
	for {
		n, err := unix.Getdents(l.fd, l.buf)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return to, fmt.Errorf("list /proc: %w", err)
		}
		if n == 0 {
			return to, nil
		}
		to = appendPids(to, l.buf[:n])
	}
}

// appendPids takes the numeric names out of a buffer of linux_dirent64: inode
// (8 bytes), offset (8), record length (2), type (1), name, NUL (getdents(2)).
func appendPids(to []int, buf []byte) []int {
	for len(buf) >= 19 {
		length := int(buf[16]) | int(buf[17])<<8
		if length < 19 || length > len(buf) {
			return to
		}
		name := buf[19:length]
		if end := bytes.IndexByte(name, 0); end >= 0 {
			name = name[:end]
		}
		if pid, ok := number(name); ok && pid > 0 {
			to = append(to, int(pid))
		}
		buf = buf[length:]
	}
	return to
}

// everyone reads the stat of every process; one that ends meanwhile is left out.
func everyone(r *reader) ([]stat, error) {
	l, err := newListing()
	if err != nil {
		return nil, err
	}
	defer l.close()
	pids, err := l.pids(nil)
	if err != nil {
		return nil, err
	}
	all := make([]stat, 0, len(pids))
	for _, pid := range pids {
		s, err := r.stat(pid)
		switch {
		case err == nil:
			all = append(all, s)
		case !gone(err):
			return nil, err
		}
	}
	return all, nil
}
