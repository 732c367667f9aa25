package targets

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func code(line string) string {
	c, _, _ := strings.Cut(line, ":")
	return c
}

func appendTo(t *testing.T, path, text string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(text); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

func texts(t *testing.T, lines []LogLine, err error) []string {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	got := []string{}
	for _, l := range lines {
		got = append(got, l.Text)
	}
	return got
}

func wantLines(t *testing.T, tail *Tail, want ...string) {
	t.Helper()
	lines, err := tail.Read()
	if got := texts(t, lines, err); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("read %q, want %q", got, want)
	}
}

func TestTailHandsOutEachLineOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	tail := &Tail{Path: path, Code: code}
	wantLines(t, tail) // not there yet
	appendTo(t, path, "A1: one\nB2: tw")
	lines, err := tail.Read()
	if err != nil || !reflect.DeepEqual(lines, []LogLine{{Code: "A1", Text: "A1: one"}}) {
		t.Errorf("read %+v, %v", lines, err)
	}
	wantLines(t, tail)
	appendTo(t, path, "o\r\n\nC3")
	wantLines(t, tail, "B2: two", "")
	lines, err = tail.Close()
	if got := texts(t, lines, err); fmt.Sprint(got) != "[C3]" {
		t.Errorf("close gave %q, want the unfinished line", got)
	}
}

func TestTailFollowsTruncation(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	tail := &Tail{Path: path}
	appendTo(t, path, "a long first line\nhalf")
	wantLines(t, tail, "a long first line")
	if err := os.Truncate(path, 0); err != nil {
		t.Fatal(err)
	}
	appendTo(t, path, "new\n")
	wantLines(t, tail, "new")
	if _, err := tail.Close(); err != nil {
		t.Error(err)
	}
}

func TestTailFollowsRotation(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	tail := &Tail{Path: path}
	appendTo(t, path, "one\n")
	wantLines(t, tail, "one")
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	appendTo(t, path+".1", "two, after the rename\n")
	wantLines(t, tail, "two, after the rename")
	appendTo(t, path+".1", "three\n")
	appendTo(t, path, "four\n")
	wantLines(t, tail, "three", "four")
	if _, err := tail.Close(); err != nil {
		t.Error(err)
	}
}

func TestTailIsBounded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	long := strings.Repeat("x", 3*tailMaxLine)
	appendTo(t, path, long+"\nshort\n"+strings.Repeat("y\n", 2*tailMaxLines))
	tail := &Tail{Path: path}
	seen := 0
	for {
		lines, err := tail.Read()
		if err != nil {
			t.Fatal(err)
		}
		if len(lines) == 0 {
			break
		}
		if len(lines) > tailMaxLines {
			t.Errorf("one read gave %d lines", len(lines))
		}
		for _, l := range lines {
			if len(l.Text) > tailMaxLine {
				t.Errorf("a line of %d bytes was kept", len(l.Text))
			}
		}
		seen += len(lines)
	}
	if want := 2 + 2*tailMaxLines; seen != want {
		t.Errorf("%d lines, want %d", seen, want)
	}
	if want := int64(2 * tailMaxLine); tail.Cut() != want {
		t.Errorf("cut %d bytes, want %d", tail.Cut(), want)
	}
	if _, err := tail.Close(); err != nil {
		t.Error(err)
	}
}

func TestTailMendsTextThatIsNotUTF8(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	appendTo(t, path, "bad \xff\xfe byte\n")
	tail := &Tail{Path: path}
	wantLines(t, tail, "bad \uFFFD byte")
	if _, err := tail.Close(); err != nil {
		t.Error(err)
	}
}

func TestTailReportsWhatItCannotRead(t *testing.T) {
	tail := &Tail{Path: t.TempDir()} // a directory
	if _, err := tail.Read(); err == nil {
		t.Error("a directory was read as a log")
	}
}

// However the writer's bytes are cut into pieces, the lines are the same.
func TestTailSplitsAnywhere(t *testing.T) {
	dir := t.TempDir()
	n := 0
	rapid.Check(t, func(rt *rapid.T) {
		n++
		path := filepath.Join(dir, fmt.Sprint(n))
		tail := &Tail{Path: path}
		pieces := rapid.SliceOfN(rapid.StringMatching(`[a-c\n]{0,6}`), 0, 12).Draw(rt, "pieces")
		var got []string
		for _, piece := range pieces {
			appendTo(t, path, piece)
			lines, err := tail.Read()
			got = append(got, texts(t, lines, err)...)
		}
		lines, err := tail.Close()
		got = append(got, texts(t, lines, err)...)
		want := strings.Split(strings.Join(pieces, ""), "\n")
		if last := len(want) - 1; want[last] == "" {
			want = want[:last] // the text ended with a line end, or was empty
		}
		if strings.Join(got, "|") != strings.Join(want, "|") || len(got) != len(want) {
			rt.Fatalf("got %q, want %q", got, want)
		}
	})
}
