package evloop

import (
	"net/netip"
	"testing"
	"time"
)

func TestReadStamped(t *testing.T) {
	ln, addr := listen(t, loopback)
	a, err := Dial(addr, netip.AddrPort{})
	if err != nil {
		t.Fatal(err)
	}
	defer CloseSocket(a)
	var b int
	for b, _, err = Accept(ln); err == ErrAgain; b, _, err = Accept(ln) {
		time.Sleep(time.Millisecond)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer CloseSocket(b)
	if err := StampReceives(b); err != nil {
		t.Skipf("this kernel has no receive stamps: %v", err)
	}
	p := make([]byte, 64)
	if _, age, err := ReadStamped(b, p); err != ErrAgain || age >= 0 {
		t.Errorf("nothing has come: age %d, %v", age, err)
	}
	// The kernel begins to stamp a moment after it is asked to for the first time.
	time.Sleep(50 * time.Millisecond)
	const pause = 100 * time.Millisecond
	if _, err := Write(a, []byte("hello")); err != nil {
		t.Fatal(err)
	}
	sent := time.Now()
	time.Sleep(pause)
	n, age, err := ReadStamped(b, p)
	most := time.Since(sent) + 10*time.Millisecond
	if err != nil || string(p[:n]) != "hello" {
		t.Fatalf("%q, %v", p[:n], err)
	}
	if age < int64(pause*9/10) || age > int64(most) {
		t.Errorf("the bytes are said to be %v old, want %v to %v", time.Duration(age), pause, most)
	}
	if err := EndWrites(a); err != nil {
		t.Fatal(err)
	}
	for n, _, err = ReadStamped(b, p); err == ErrAgain; n, _, err = ReadStamped(b, p) {
		time.Sleep(time.Millisecond)
	}
	if n != 0 || err != nil {
		t.Errorf("the end of the stream reads %d, %v", n, err)
	}
}

func TestStampAgeOfGarbage(t *testing.T) {
	for _, b := range [][]byte{nil, make([]byte, 15), make([]byte, 64), {1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 65, 0, 0, 0}} {
		if age := stampAge(b); age >= 0 {
			t.Errorf("%v: age %d", b, age)
		}
	}
}
