package broker

import (
	"cmp"
	"slices"
	"sort"
	"time"

	"github.com/haypile/haypile/broker/internal/queue"
)

// delivery is a message that a channel has to acknowledge.
type delivery struct {
	tag      uint64
	entry    *queue.Entry // nil once it is settled
	queue    *mailbox
	consumer *consumer // nil for basic.get
	at       time.Time // set where acks have a time limit
}

// unacked are a channel's deliveries, by ascending tag. Settling the oldest, as
// most clients do, costs the same whatever their number; what is settled out of
// order leaves a hole until half of them are.
type unacked struct {
	all   []delivery
	first int // all before it have been settled and taken off
	holes int // behind first
}

func (u *unacked) len() int { return len(u.all) - u.first - u.holes }

func (u *unacked) push(d delivery) {
	if u.first > 32 && u.first > len(u.all)/2 {
		u.squeeze()
	}
	u.all = append(u.all, d)
}

// oldest is the first that is not settled, nil if there is none.
func (u *unacked) oldest() *delivery {
	if u.first == len(u.all) {
		return nil
	}
	return &u.all[u.first]
}

// takeOne appends the delivery with that tag, taken off; ok is false if there is
// none.
func (u *unacked) takeOne(dst []delivery, tag uint64) (_ []delivery, ok bool) {
	i := u.first
	if i == len(u.all) || u.all[i].tag != tag {
		i += sort.Search(len(u.all)-u.first, func(i int) bool { return u.all[u.first+i].tag >= tag })
	}
	if i == len(u.all) || u.all[i].tag != tag || u.all[i].entry == nil {
		return dst, false
	}
	dst = append(dst, u.all[i])
	u.all[i].entry, u.all[i].consumer = nil, nil
	u.holes++
	u.shorten()
	return dst, true
}

// takeUntil appends all deliveries up to that tag, which must be among them; zero
// stands for the last. ok is false if it is not.
func (u *unacked) takeUntil(dst []delivery, tag uint64) (_ []delivery, ok bool) {
	end := len(u.all)
	if tag != 0 {
		i := u.first + sort.Search(len(u.all)-u.first, func(i int) bool { return u.all[u.first+i].tag >= tag })
		if i == len(u.all) || u.all[i].tag != tag || u.all[i].entry == nil {
			return dst, false
		}
		end = i + 1
	}
	for i := u.first; i < end; i++ {
		if u.all[i].entry == nil {
			u.holes--
			continue
		}
		dst = append(dst, u.all[i])
	}
	clear(u.all[u.first:end])
	u.first = end
	u.shorten()
	return dst, true
}

// shorten takes holes off the front, and all that are left when they are more than
// the rest.
func (u *unacked) shorten() {
	for u.first < len(u.all) && u.all[u.first].entry == nil {
		u.all[u.first] = delivery{}
		u.first++
		u.holes--
	}
	if u.first == len(u.all) {
		u.all, u.first, u.holes = u.all[:0], 0, 0
		if cap(u.all) > 4096 {
			u.all = nil
		}
	} else if u.holes > 64 && u.holes > len(u.all)/2 {
		u.squeeze()
	}
}

// squeeze moves what is not settled to the front.
func (u *unacked) squeeze() {
	n := 0
	for _, d := range u.all[u.first:] {
		if d.entry != nil {
			u.all[n] = d
			n++
		}
	}
	clear(u.all[n:])
	u.all, u.first, u.holes = u.all[:n], 0, 0
}

// restore puts deliveries back that were taken off: into the holes that they have
// left, where these are still there, and in front of the others. It sorts back.
func (u *unacked) restore(back []delivery) {
	slices.SortFunc(back, func(a, b delivery) int { return cmp.Compare(a.tag, b.tag) })
	front := 0
	for u.first < len(u.all) && front < len(back) && back[front].tag < u.all[u.first].tag {
		front++
	}
	for i := front; i < len(back); i++ {
		if !u.refill(&back[i]) {
			u.merge(back[i:])
			break
		}
	}
	if front > u.first {
		u.merge(back[:front])
		return
	}
	u.first -= front
	copy(u.all[u.first:], back[:front])
}

// refill puts a delivery back into its hole, if that is still there.
func (u *unacked) refill(d *delivery) bool {
	i := u.first + sort.Search(len(u.all)-u.first, func(i int) bool { return u.all[u.first+i].tag >= d.tag })
	if i == len(u.all) || u.all[i].tag != d.tag {
		return false
	}
	u.all[i] = *d
	u.holes--
	return true
}

// merge puts deliveries back whose holes are no more.
func (u *unacked) merge(back []delivery) {
	u.squeeze()
	u.all = append(u.all, back...)
	slices.SortFunc(u.all, func(a, b delivery) int { return cmp.Compare(a.tag, b.tag) })
}
