package route

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/haypile/haypile/broker/internal/erlang"
	"github.com/haypile/haypile/core/wire"
)

const argMatch = "x-match"

// tableSize is the length in front of an encoded table.
const tableSize = 4

// pattern is the arguments of a binding to a headers exchange.
type pattern struct {
	any     bool // one clause suffices
	clauses []field
}

// compile sorts out x-match, which is not matched itself. Arguments that start
// with x- are matched only if it asks for that.
func compile(arguments wire.Table) (p pattern, err error) {
	withX := false
	switch how, given := arguments[argMatch]; how {
	case "any":
		p.any = true
	case "any-with-x":
		p.any, withX = true, true
	case "all-with-x":
		withX = true
	case "all":
	default:
		if given {
			return p, wrongMatch(how)
		}
	}
	clauses := wire.Table{}
	for key, v := range arguments {
		if key != argMatch && (withX || !strings.HasPrefix(key, "x-")) {
			clauses[key] = v
		}
	}
	encoded, err := clauses.AppendTo(nil)
	if err != nil {
		return p, err
	}
	var all fields
	all.parse(encoded[tableSize:])
	p.clauses = all.list
	return p, nil
}

func wrongMatch(v any) *Error {
	e := &Error{Code: wire.PreconditionFailed}
	if s, ok := v.(string); ok {
		e.Text = fmt.Sprintf("Invalid x-match field value %s; expected all, any, all-with-x, or any-with-x", erlang.Term(s))
	} else {
		e.Text = fmt.Sprintf("Invalid x-match field type %s (value %s); expected longstr", erlang.Type(v), erlang.Term(v))
	}
	return e
}

// matches a message. Without clauses all of them match, and none.
func (p *pattern) matches(message *fields) bool {
	for i := range p.clauses {
		if message.satisfy(&p.clauses[i]) == p.any {
			return p.any
		}
	}
	return !p.any
}

// headers matches the arguments of each binding with the headers of the message.
type headers struct{ set }

func (h *headers) add(b *binding)    { h.set.add(b, inMatcher) }
func (h *headers) remove(b *binding) { h.set.remove(b, inMatcher) }

func (h *headers) match(w *walk, _ []string, raw wire.RawTable) (matched bool) {
	w.fields.parse(raw)
	for _, b := range h.set {
		if b.pattern.matches(&w.fields) {
			matched = true
			w.reach(b.to)
		}
	}
	return matched
}

// fields are the entries of a table, sorted by key, the last of equal ones only.
// They alias the table.
type fields struct {
	list   []field
	raw    wire.RawTable
	parsed bool // raw is in list
}

// reset lets go of the table.
func (f *fields) reset() {
	clear(f.list)
	*f = fields{list: f.list[:0]}
}

// parse takes the entries of raw, unless it has done so since reset.
func (f *fields) parse(raw wire.RawTable) {
	if f.parsed {
		return
	}
	f.raw, f.parsed = raw, true
	for e, err := range raw.All() {
		if err != nil {
			break
		}
		f.list = append(f.list, field{e.Key, e.Value})
	}
	slices.SortStableFunc(f.list, field.compare)
	f.list = lastOfEach(f.list)
}

// lastOfEach drops entries that are followed by one of the same key.
func lastOfEach(sorted []field) []field {
	kept := sorted[:0]
	for i := range sorted {
		if i+1 < len(sorted) && bytes.Equal(sorted[i].key, sorted[i+1].key) {
			continue
		}
		kept = append(kept, sorted[i])
	}
	clear(sorted[len(kept):])
	return kept
}

// satisfy reports whether a clause holds: there is an entry of its key, and its
// value is the same or the clause has none.
func (f *fields) satisfy(clause *field) bool {
	at, ok := slices.BinarySearchFunc(f.list, *clause, field.compare)
	if !ok {
		return false
	}
	return clause.value.Tag() == 'V' || clause.equal(&f.list[at])
}
