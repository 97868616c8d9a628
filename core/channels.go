package core

import "math/bits"

// channelTable finds channels by number, and the lowest free number, in a time
// that does not depend on how many are open.
type channelTable struct {
	byNumber []*Channel // index 0 unused; as long as the highest number needs
	taken    []uint64   // a bit for each number; bit 0 of word 0 is channel 0
	hint     int        // no word before it has a free bit
}

func (t *channelTable) get(number uint16) *Channel {
	if int(number) < len(t.byNumber) {
		return t.byNumber[number]
	}
	return nil
}

// used tells that this number, or a higher one, is or has been a channel's.
func (t *channelTable) used(number uint16) bool { return int(number) < len(t.byNumber) }

// free is the lowest number that is not taken, up to most.
func (t *channelTable) free(most uint16) (number uint16, ok bool) {
	n := 64 * len(t.taken)
	for i := t.hint; i < len(t.taken); i++ {
		if t.taken[i] != ^uint64(0) {
			t.hint = i
			n = 64*i + bits.TrailingZeros64(^t.taken[i])
			break
		}
	}
	n = max(n, 1)
	return uint16(n), n <= int(most)
}

func (t *channelTable) put(ch *Channel) {
	if more := int(ch.number) + 1 - len(t.byNumber); more > 0 {
		t.byNumber = append(t.byNumber, make([]*Channel, more)...)
	}
	t.byNumber[ch.number] = ch
	word := int(ch.number) / 64
	for len(t.taken) <= word {
		t.taken = append(t.taken, 0)
	}
	t.taken[0] |= 1
	t.taken[word] |= 1 << (ch.number % 64)
}

// remove frees the channel's number, if the channel still has it.
func (t *channelTable) remove(ch *Channel) {
	if t.get(ch.number) != ch {
		return
	}
	t.byNumber[ch.number] = nil
	word := int(ch.number) / 64
	t.taken[word] &^= 1 << (ch.number % 64)
	t.hint = min(t.hint, word)
}

// clear empties the table and returns what was in it, by number.
func (t *channelTable) clear() []*Channel {
	all := t.byNumber
	*t = channelTable{}
	return all
}
