package scenarios

import "strings"

// didYouMean is the hint that names the word nearest to a mistaken one, or all of
// them when none is near and they are few.
func didYouMean(wrong string, words []string) string {
	if best, ok := nearest(wrong, words); ok {
		return "did you mean " + best + "?"
	}
	const few = 24
	if len(words) == 0 || len(words) > few {
		return ""
	}
	return "known are " + strings.Join(words, ", ")
}

// nearest finds the word with the smallest edit distance. ok tells whether it is
// near enough to have been meant: no more than a third of it is mistaken, or one
// of the two begins with the other.
func nearest(wrong string, words []string) (best string, ok bool) {
	wrong = strings.ToLower(wrong)
	least := -1
	for _, w := range words {
		if d := distance(wrong, w); least < 0 || d < least {
			best, least = w, d
		}
	}
	if least < 0 {
		return "", false
	}
	if least <= (max(len(best), 3)+2)/3 {
		return best, true
	}
	for _, w := range words {
		if len(wrong) >= 3 && len(w) >= 3 && (strings.HasPrefix(w, wrong) || strings.HasPrefix(wrong, w)) {
			return w, true
		}
	}
	return best, false
}

// distance is the number of letters to insert, remove, replace, or swap with their
// neighbour, to make b of a (optimal string alignment). Words are keys and names;
// of anything longer only the beginning is compared, which bounds the work.
func distance(a, b string) int {
	const most = 64
	s, t := []rune(a), []rune(b)
	s, t = s[:min(len(s), most)], t[:min(len(t), most)]
	before, last, row := make([]int, len(t)+1), make([]int, len(t)+1), make([]int, len(t)+1)
	for j := range last {
		last[j] = j
	}
	for i := range s {
		row[0] = i + 1
		for j := range t {
			cost := 1
			if s[i] == t[j] {
				cost = 0
			}
			row[j+1] = min(last[j]+cost, last[j+1]+1, row[j]+1)
			if i > 0 && j > 0 && s[i] == t[j-1] && s[i-1] == t[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(t)]
}
