package route

import (
	"iter"
	"strings"

	"github.com/haypile/haypile/core/wire"
)

// topics matches patterns of words with dots between: * stands for one word, # for
// any number of them. The empty string has no word, "." has two empty ones.
//
// The patterns are one trie. A key is followed through it word by word, with the
// set of all nodes that it may have reached so far: a node is looked at once per
// word, whatever the patterns, where following every way by itself would take
// exponential time for patterns with many #.
type topics struct {
	root         *topic
	step         uint64 // counts the words of all keys
	active, next []*topic
}

// topic is a node: the end of all patterns that are spelled on the way to it.
type topic struct {
	parent   *topic
	word     string
	words    map[string]*topic
	star     *topic
	hash     *topic
	bindings set
	step     uint64 // the last one in which it was active
}

func (t *topics) add(b *binding) {
	n := t.root
	for word := range words(b.id.key) {
		n = n.child(word)
	}
	b.topic = n
	n.bindings.add(b, inMatcher)
}

func (t *topics) remove(b *binding) {
	n := b.topic
	n.bindings.remove(b, inMatcher)
	for n.parent != nil && n.empty() {
		n.parent.forget(n)
		n = n.parent
	}
}

func (t *topics) match(w *walk, keys []string, _ wire.RawTable) (matched bool) {
	for _, key := range keys {
		t.follow(key)
		for _, n := range t.active {
			if w.reachAll(n.bindings) {
				matched = true
			}
		}
	}
	return matched
}

// follow leaves in active the nodes whose patterns match the key.
func (t *topics) follow(key string) {
	t.step++
	t.active = t.enter(t.active[:0], t.root)
	for word := range words(key) {
		t.step++
		next := t.next[:0]
		for _, n := range t.active {
			if n.isHash() {
				next = t.enter(next, n)
			}
			if child := n.words[word]; child != nil {
				next = t.enter(next, child)
			}
			if n.star != nil {
				next = t.enter(next, n.star)
			}
		}
		t.active, t.next = next, t.active
	}
}

// enter appends a node and, since # also stands for no word, what follows by #.
func (t *topics) enter(active []*topic, n *topic) []*topic {
	for ; n != nil && n.step != t.step; n = n.hash {
		n.step = t.step
		active = append(active, n)
	}
	return active
}

func (n *topic) isHash() bool { return n.parent != nil && n.parent.hash == n }

func (n *topic) empty() bool {
	return len(n.bindings) == 0 && len(n.words) == 0 && n.star == nil && n.hash == nil
}

// child is the node that a word of a pattern leads to, a new one if need be.
func (n *topic) child(word string) *topic {
	switch word {
	case "*":
		if n.star == nil {
			n.star = &topic{parent: n, word: word}
		}
		return n.star
	case "#":
		if n.hash == nil {
			n.hash = &topic{parent: n, word: word}
		}
		return n.hash
	}
	child := n.words[word]
	if child == nil {
		child = &topic{parent: n, word: word}
		if n.words == nil {
			n.words = make(map[string]*topic)
		}
		n.words[word] = child
	}
	return child
}

func (n *topic) forget(child *topic) {
	switch child {
	case n.star:
		n.star = nil
	case n.hash:
		n.hash = nil
	default:
		delete(n.words, child.word)
	}
}

// words of a key or pattern.
func words(key string) iter.Seq[string] {
	return func(yield func(string) bool) {
		rest := key
		for more := key != ""; more; {
			var word string
			word, rest, more = strings.Cut(rest, ".")
			if !yield(word) {
				return
			}
		}
	}
}
