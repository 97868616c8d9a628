package blocking

import (
	"cmp"
	"slices"
)

// pending are the publishes of a channel that wait for their outcomes, by number: of
// the confirm, or of a Caller's call. They come in the order of their numbers, or
// nearly, and most leave in it, which a map would make no use of.
type pending struct {
	all  []numbered // ascending
	head int        // before it all have left
	n    int        // how many have not
}

// numbered is a place in pending.
type numbered struct {
	number uint64
	o      *outcome // nil when it has left
}

// keepPending is how many places are kept allocated when all have left.
const keepPending = 2048

func (p *pending) add(number uint64, o *outcome) {
	if len(p.all) == cap(p.all) && p.n <= len(p.all)/2 {
		p.compact()
	}
	i := len(p.all)
	for i > p.head && p.all[i-1].number > number { // calls are numbered before they are queued
		i--
	}
	p.all = slices.Insert(p.all, i, numbered{number, o})
	p.n++
}

// get is the one with the number; nil when there is none.
func (p *pending) get(number uint64) *outcome {
	if i := p.find(number); i < len(p.all) && p.all[i].number == number {
		return p.all[i].o
	}
	return nil
}

// take lets those numbered first to last leave, in order.
func (p *pending) take(first, last uint64, each func(*outcome)) {
	for i := p.find(first); i < len(p.all) && p.all[i].number <= last; i++ {
		if o := p.all[i].o; o != nil {
			p.all[i].o = nil
			p.n--
			each(o)
		}
	}
	for p.head < len(p.all) && p.all[p.head].o == nil {
		p.head++
	}
	if p.n == 0 {
		p.compact()
	}
}

// find is where the number is or would be.
func (p *pending) find(number uint64) int {
	if p.head < len(p.all) && p.all[p.head].number >= number {
		return p.head
	}
	i, _ := slices.BinarySearchFunc(p.all[p.head:], number, func(e numbered, number uint64) int { return cmp.Compare(e.number, number) })
	return p.head + i
}

// compact removes the places of those that have left.
func (p *pending) compact() {
	p.head = 0
	if p.n == 0 && cap(p.all) > keepPending {
		p.all = nil
		return
	}
	p.all = slices.DeleteFunc(p.all, func(e numbered) bool { return e.o == nil })
}
