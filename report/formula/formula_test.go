package formula

import "testing"

func TestCompare(t *testing.T) {
	for op, want := range map[string][3]bool{"==": {false, true, false}, "!=": {true, false, true}, "<": {true, false, false},
		"<=": {true, true, false}, ">": {false, false, true}, ">=": {false, true, true}} {
		if got := [3]bool{Compare(1, op, 2), Compare(2, op, 2), Compare(3, op, 2)}; got != want {
			t.Errorf("1, 2 and 3 %s 2 is %v, want %v", op, got, want)
		}
	}
}
