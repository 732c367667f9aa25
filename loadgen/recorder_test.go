package loadgen

import (
	"encoding/json"
	"reflect"
	"testing"

	"pgregory.net/rapid"
)

// Two agents that share a load must report what one would have: whatever is
// recorded, and however it is split, the merge through the wire format equals one
// recorder that was fed with both.
func TestMergeOfTwoEqualsOne(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var one, sum Recorder
		var two [2]Recorder
		for range rapid.IntRange(0, 200).Draw(t, "values") {
			agent := rapid.IntRange(0, 1).Draw(t, "agent")
			m := Metric(rapid.IntRange(0, int(metricCount)-1).Draw(t, "metric"))
			ns := rapid.Int64Range(-5, 1<<45).Draw(t, "ns")
			for _, r := range []*Recorder{&one, &two[agent]} {
				if ns%7 == 0 {
					r.RecordCensored(m, ns)
					r.Fail("unanswered")
					r.Counts.Unanswered++
				} else {
					r.Record(m, ns)
					r.Counts.Answered++
				}
			}
		}
		for i := range two {
			report := &IntervalReport{Agent: i, Counts: two[i].Counts, Clamped: byMetric(two[i].clamped), Censored: byMetric(two[i].censored),
				Hist: two[i].encode()}
			p, err := json.Marshal(report)
			if err != nil {
				t.Fatal(err)
			}
			var got IntervalReport
			if err := json.Unmarshal(p, &got); err != nil {
				t.Fatal(err)
			}
			if err := sum.Add(&got); err != nil {
				t.Fatal(err)
			}
		}
		if !reflect.DeepEqual(one.Counts, sum.Counts) {
			t.Fatalf("counts %+v, want %+v", sum.Counts, one.Counts)
		}
		if one.clamped != sum.clamped || one.censored != sum.censored {
			t.Fatalf("clamped %v censored %v, want %v %v", sum.clamped, sum.censored, one.clamped, one.censored)
		}
		for m := range metricCount {
			a, b := one.Histogram(m), sum.Histogram(m)
			if (a == nil) != (b == nil) || a != nil && !a.Equals(b) {
				t.Fatalf("%s differs", m)
			}
		}
	})
}

func TestResetLeavesNothing(t *testing.T) {
	var r Recorder
	r.Record(ResponseTime, 5e6)
	r.RecordCensored(ServiceTime, 0)
	r.NotSent("ended")
	r.Closure("closed_by_us")
	r.Reset()
	if !reflect.DeepEqual(r.Counts, Counts{}) || r.Histogram(ResponseTime) != nil ||
		r.CensoredFrom(ServiceTime) != 0 || r.Clamped(ServiceTime) != 0 {
		t.Fatalf("left: %+v", r)
	}
}

func TestCensoredKeepsTheSmallest(t *testing.T) {
	var a, b Recorder
	a.RecordCensored(ResponseTime, 9e9)
	b.RecordCensored(ResponseTime, 5e9)
	b.RecordCensored(ResponseTime, 7e9)
	a.Merge(&b)
	if got := a.CensoredFrom(ResponseTime); got != 5e9 {
		t.Fatalf("censored from %d, want 5e9", got)
	}
	if n := a.Histogram(ResponseTime).TotalCount(); n != 3 {
		t.Fatalf("%d values, want the 3 unanswered ones in it", n)
	}
}
