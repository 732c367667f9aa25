package runner

import (
	"testing"
	"time"
)

// The next handshake is the first that what came after the reload can have answered; of
// a target that reloads in its own processes, the first.
func TestWaiting(t *testing.T) {
	at := time.Now()
	ms := func(n int) time.Time { return at.Add(time.Duration(n) * time.Millisecond) }
	answered := func(begun, ended int) probed { return probed{ms(begun), ms(ended), true} }
	unanswered := func(begun, ended int) probed { return probed{ms(begun), ms(ended), false} }
	for name, c := range map[string]struct {
		changed   int // 0: never
		probes    []probed
		now       int
		next, gap time.Duration // next 0: not known
		told      time.Duration // when it had been told, after at
	}{
		"nothing yet":            {0, nil, 100, 0, 100, 0},
		"answered by the old":    {0, []probed{answered(0, 2), answered(50, 52)}, 100, 0, 50, 0},
		"reloads within itself":  {0, []probed{answered(0, 2), answered(50, 52)}, 3000, 2, 50, 0},
		"told by a long command": {0, []probed{answered(0, 2), answered(50, 52)}, 5000, 0, 4948, 2500},
		"told by a command":      {0, []probed{answered(0, 2), answered(50, 60)}, 3100, 60, 58, 40},
		"a gap":                  {700, []probed{answered(0, 2), unanswered(50, 600), answered(650, 740), answered(710, 745)}, 750, 745, 738, 0},
		"never answered again":   {700, []probed{answered(0, 2), answered(650, 740)}, 9000, 0, 8260, 0},
		"begun before it":        {700, []probed{answered(690, 710)}, 720, 0, 710, 0},
		"only failures":          {0, []probed{unanswered(0, 5), unanswered(50, 55)}, 5000, 0, 5000, 0},
	} {
		t.Run(name, func(t *testing.T) {
			w := &waiting{at: at, told: at.Add(c.told * time.Millisecond), last: at}
			if c.changed > 0 {
				w.changed = ms(c.changed)
			}
			for _, p := range c.probes {
				w.take(p)
			}
			next, known := w.next(ms(c.now))
			if known != (c.next > 0) || known && next != c.next*time.Millisecond {
				t.Errorf("next %v (%v), want %d ms", next, known, c.next)
			}
			if gap := w.longest(ms(c.now)); gap != c.gap*time.Millisecond {
				t.Errorf("gap %v, want %d ms", gap, c.gap)
			}
		})
	}
}
