package coretest

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/haypile/haypile/core/wire"
)

// Message is a method as a script writes it, with the content of those that
// have one.
type Message struct {
	Method     wire.Method
	Properties wire.RawProperties
	Body       []byte
}

// Parse reads a method as Format writes it. Methods with content take two more
// fields: properties={content-type=text/plain} and body="hello", or body=x*70000
// for a body of 70,000 times x.
func Parse(line string) (*Message, error) {
	name, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
	id, ok := methods[name]
	if !ok {
		return nil, fmt.Errorf("%q is not a method", name)
	}
	m := &Message{Method: wire.NewMethod(id)}
	s := scanner{text: rest}
	for !s.done() {
		if err := m.field(&s); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	return m, nil
}

// methods by name.
var methods = func() map[string]wire.MethodID {
	all := map[string]wire.MethodID{}
	for class := range wire.MethodID(100) {
		for method := range wire.MethodID(130) {
			if id := class<<16 | method; id.Known() {
				all[id.String()] = id
			}
		}
	}
	return all
}()

func (m *Message) field(s *scanner) error {
	name := s.word("= ")
	content := m.Method.ID().HasContent()
	var value any = true
	if s.take('=') {
		if content && name == "body" {
			m.Body = s.body()
			return s.err
		}
		value = s.value()
	}
	if s.err != nil {
		return s.err
	}
	if content && name == "properties" {
		t, _ := value.(wire.Table)
		return m.properties(t)
	}
	return set(reflect.ValueOf(m.Method).Elem(), name, value)
}

func (m *Message) properties(t wire.Table) error {
	var p wire.Properties
	for name, value := range t {
		if err := set(reflect.ValueOf(&p).Elem(), name, value); err != nil {
			return err
		}
	}
	var err error
	m.Properties, err = p.Encode()
	return err
}

// set sets the field with a dashed name.
func set(v reflect.Value, name string, value any) error {
	for i := range v.NumField() {
		if dashed(v.Type().Field(i).Name) == name {
			return assign(v.Field(i), name, value)
		}
	}
	return fmt.Errorf("no field %q", name)
}

func assign(f reflect.Value, name string, value any) error {
	switch f.Interface().(type) {
	case wire.Secret:
		value = wire.NewSecret(fmt.Sprint(value))
	case wire.MethodID:
		value = methods[fmt.Sprint(value)]
	case time.Time:
		if n, ok := value.(int); ok {
			value = time.Unix(int64(n), 0).UTC()
		}
	case []byte:
		value = []byte(fmt.Sprint(value))
	}
	v := reflect.ValueOf(value)
	switch {
	case v.IsValid() && v.Type() == f.Type():
	case v.IsValid() && v.Kind() == reflect.Int && f.CanUint() && v.Int() >= 0 && !f.OverflowUint(uint64(v.Int())):
	default:
		return fmt.Errorf("%s cannot be %v", name, value)
	}
	f.Set(v.Convert(f.Type()))
	return nil
}

// scanner reads values.
type scanner struct {
	text string
	err  error
}

func (s *scanner) done() bool {
	s.text = strings.TrimLeft(s.text, " \t")
	return s.text == "" || s.err != nil
}

func (s *scanner) fail(format string, args ...any) {
	if s.err == nil {
		s.err = fmt.Errorf(format, args...)
	}
	s.text = ""
}

func (s *scanner) take(c byte) bool {
	if s.text != "" && s.text[0] == c {
		s.text = s.text[1:]
		return true
	}
	return false
}

// word reads up to one of the delimiters.
func (s *scanner) word(delimiters string) string {
	n := strings.IndexAny(s.text, delimiters)
	if n < 0 {
		n = len(s.text)
	}
	w := s.text[:n]
	s.text = s.text[n:]
	return w
}

func (s *scanner) value() any {
	switch {
	case strings.HasPrefix(s.text, `"`):
		return s.quoted()
	case s.take('{'):
		return s.table()
	case s.take('['):
		return s.array()
	}
	w := s.word(" }]")
	switch w {
	case "true", "false":
		return w == "true"
	case "nil":
		return nil
	}
	if n, err := strconv.Atoi(w); err == nil {
		return n
	}
	return w
}

func (s *scanner) quoted() string {
	q, err := strconv.QuotedPrefix(s.text)
	if err != nil {
		s.fail("a quote is not closed: %s", s.text)
		return ""
	}
	s.text = s.text[len(q):]
	text, _ := strconv.Unquote(q) // QuotedPrefix has checked it
	return text
}

// ends tells that a table or array ends here, which it must before the text.
func (s *scanner) ends(c byte) bool {
	if s.done() {
		s.fail("%q is missing", c)
		return true
	}
	return s.take(c)
}

func (s *scanner) table() wire.Table {
	t := wire.Table{}
	for !s.ends('}') {
		key := s.word("= }")
		if strings.HasPrefix(key, `"`) {
			s.text = key + s.text
			key = s.quoted()
		}
		if !s.take('=') {
			t[key] = true
			continue
		}
		t[key] = s.value()
	}
	return t
}

func (s *scanner) array() []any {
	a := []any{}
	for !s.ends(']') {
		a = append(a, s.value())
	}
	return a
}

func (s *scanner) body() []byte {
	if strings.HasPrefix(s.text, `"`) {
		return []byte(s.quoted())
	}
	w := s.word(" ")
	if c, times, ok := strings.Cut(w, "*"); ok {
		n, err := strconv.Atoi(times)
		if err != nil || n < 0 || n > 1<<30 {
			s.fail("%q is no body", w)
			return nil
		}
		return []byte(strings.Repeat(c, n))
	}
	return []byte(w)
}

// frames is the message as a peer sends it on the channel.
func (m *Message) frames(channel uint16) ([]byte, error) {
	p, err := wire.AppendMethodFrame(nil, channel, m.Method)
	if err == nil && m.Method.ID().HasContent() {
		p = wire.AppendHeaderFrame(p, channel, wire.ClassBasic, uint64(len(m.Body)), m.Properties)
		p = wire.AppendBody(p, channel, m.Body, wire.FrameMinSize)
	}
	return p, err
}
