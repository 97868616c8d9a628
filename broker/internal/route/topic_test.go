package route

import (
	"slices"
	"strconv"
	"strings"
	"testing"
)

// The cases were seen to be so with RabbitMQ 3.10.
func TestTopicPatterns(t *testing.T) {
	for _, c := range []struct {
		pattern, key string
		want         bool
	}{
		{"", "", true},
		{"", "a", false},
		{"#", "", true},
		{"#", "a.b.c", true},
		{"#.#", "", true},
		{"*", "", false},
		{"*", "a", true},
		{"*", ".", false},
		{"*", "*", true},
		{"*.*", ".", true},
		{"*.#", "", false},
		{"*.#", ".", true},
		{"a", "a", true},
		{"a", "ab", false},
		{"a*", "ab", false},
		{"a*", "a*", true},
		{"a.*", "a", false},
		{"a.*", "a.", true},
		{"a.*", "a.#", true},
		{"a.#", "a", true},
		{"a.#", "a.", true},
		{"a.#", "a.b.c", true},
		{"a.#", "b.a", false},
		{"a.#.b", "a.b", true},
		{"a.#.b", "a.c.c.b", true},
		{"a.#.b", "a.b.c", false},
		{"#.b.#", "a.b.c", true},
		{"#.*", "", false},
		{"#.", "", false},
		{"#.", ".", true},
		{".#", "", false},
		{"..", "..", true},
		{"..", ".", false},
	} {
		h := newHouse(t, "q")
		h.bind("amq.topic", "q", c.pattern, nil)
		if got := len(h.Route(nil, "amq.topic", []string{c.key}, nil)) == 1; got != c.want {
			t.Errorf("%q matches %q: %v", c.pattern, c.key, got)
		}
		if naive(words(c.pattern), words(c.key)) != c.want {
			t.Errorf("the naive matcher differs on %q and %q", c.pattern, c.key)
		}
	}
}

// naive is the rule by itself, in time that grows with the product of the words.
func naive(pattern, key func(func(string) bool)) bool {
	ps, ks := slices.Collect(pattern), slices.Collect(key)
	// row[j] tells whether the pattern so far matches the first j words.
	row := make([]bool, len(ks)+1)
	row[0] = true
	for _, p := range ps {
		next := make([]bool, len(row))
		for j := range row {
			switch {
			case p == "#":
				next[j] = row[j] || j > 0 && next[j-1]
			case j > 0:
				next[j] = row[j-1] && (p == "*" || p == ks[j-1])
			}
		}
		row = next
	}
	return row[len(ks)]
}

func TestTopicExchangeForgetsRemovedPatterns(t *testing.T) {
	h := newHouse(t, "a", "b")
	patterns := []string{"", "#", "*", "a", "a.b", "a.*.c", "a.#", "a.#.c", "#.#"}
	for _, p := range patterns {
		h.bind("amq.topic", "a", p, nil)
	}
	h.bind("amq.topic", "b", "a.#.c", nil)
	h.RemoveQueue("a")
	h.reaches("amq.topic", "a.b.c", "b")
	h.reaches("amq.topic", "a")
	h.RemoveQueue("b")
	if root := h.exchanges["amq.topic"].matcher.(*topics).root; !root.empty() {
		t.Errorf("left in the trie: %+v", root)
	}
}

func TestPatternsWithManyHashesCostNoMoreThanTheirWords(t *testing.T) {
	h := newHouse(t, "q")
	h.bind("amq.topic", "q", strings.Repeat("#.a.", 60)+"b", nil)
	h.reaches("amq.topic", strings.Repeat("a.", 120)+"c")
	h.reaches("amq.topic", strings.Repeat("a.", 120)+"b", "q")
}

// FuzzTopic compares the trie with the naive matcher: patterns are separated by
// spaces, and every other one is removed again.
func FuzzTopic(f *testing.F) {
	f.Add("# * a.b a.*.c a.#.c #.a.# *.#", "a.b.c")
	f.Add("#.#.#.a a.#.#.b ..#. ", "a...b")
	f.Add("a a a.# a.#", "a")
	f.Fuzz(func(t *testing.T, list, key string) {
		patterns := strings.Split(list, " ")
		if len(list) > 2000 || len(key) > 500 {
			return
		}
		h := newHouse(t)
		for i, p := range patterns {
			q := strconv.Itoa(i)
			h.AddQueue(q, q)
			h.bind("amq.topic", q, p, nil)
		}
		check := func(step int) {
			got := h.Route(nil, "amq.topic", []string{key}, nil)
			for i := 0; i < len(patterns); i += step {
				want := naive(words(patterns[i]), words(key))
				if slices.Contains(got, strconv.Itoa(i)) != want {
					t.Errorf("%q matches %q: %v", patterns[i], key, !want)
				}
			}
		}
		check(1)
		for i := 1; i < len(patterns); i += 2 {
			h.RemoveQueue(strconv.Itoa(i))
		}
		check(2)
		for i := 0; i < len(patterns); i += 2 {
			h.RemoveQueue(strconv.Itoa(i))
		}
		if root := h.exchanges["amq.topic"].matcher.(*topics).root; !root.empty() {
			t.Error("the trie is not empty")
		}
	})
}
