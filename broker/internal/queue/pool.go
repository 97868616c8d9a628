package queue

const (
	poolLimit = 1024 // free entries that a queue keeps
	slabLimit = 64   // entries that are allocated at once
)

// pool gives out entries and takes them back. A queue that holds many allocates
// them in slabs, one that holds few pays for few.
type pool struct {
	free  *Entry
	kept  int
	slab  []Entry
	grown int
}

func (p *pool) take() *Entry {
	if e := p.free; e != nil {
		p.free = e.next
		p.kept--
		e.next = nil
		return e
	}
	if len(p.slab) == 0 {
		p.grown = min(max(2*p.grown, 2), slabLimit)
		p.slab = make([]Entry, p.grown)
	}
	e := &p.slab[0]
	p.slab = p.slab[1:]
	return e
}

// give takes back an entry, or leaves it to the garbage collector.
func (p *pool) give(e *Entry) {
	*e = Entry{}
	if p.kept >= poolLimit {
		return
	}
	e.next = p.free
	p.free = e
	p.kept++
}
