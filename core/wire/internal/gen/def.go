package main

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// class, method and field are the definition file, line by line.
type class struct {
	name    string
	id      uint16
	methods []*method
}

type method struct {
	class   *class
	name    string
	id      uint16
	sender  string // client, server, both
	content bool
	reply   string // name within the class, empty for none
	section string // of the specification, empty for RabbitMQ's own
	doc     string
	fields  []*field
}

type field struct {
	name     string
	kind     string
	doc      string
	reserved bool
}

// parse reads a definition file. Errors begin with the line number.
func parse(in io.Reader) ([]*class, error) {
	var p parser
	lines := bufio.NewScanner(in)
	for n := 1; lines.Scan(); n++ {
		if err := p.line(lines.Text()); err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, err
	}
	return p.classes, p.check()
}

type parser struct {
	classes []*class
	method  *method // the last one
}

func (p *parser) line(line string) error {
	text, doc, _ := strings.Cut(line, "|")
	words, doc := strings.Fields(text), strings.TrimSpace(doc)
	switch {
	case strings.HasPrefix(line, "#"), len(words) == 0 && doc == "":
		return nil
	case len(words) > 0 && words[0] == "class":
		return p.addClass(words[1:])
	case len(words) > 0 && words[0] == "method":
		return p.addMethod(words[1:])
	case p.method == nil:
		return fmt.Errorf("no method to belong to: %s", line)
	case len(words) == 0:
		p.method.doc = doc
		return nil
	}
	return p.addField(words, doc)
}

func (p *parser) addClass(words []string) error {
	if len(words) != 2 {
		return fmt.Errorf("a class has a name and an id")
	}
	id, err := strconv.ParseUint(words[1], 10, 16)
	p.classes = append(p.classes, &class{name: words[0], id: uint16(id)})
	p.method = nil
	return err
}

func (p *parser) addMethod(words []string) error {
	if len(p.classes) == 0 || len(words) < 3 {
		return fmt.Errorf("a method has a class, a name, an id and a sender")
	}
	id, err := strconv.ParseUint(words[1], 10, 16)
	if err != nil {
		return err
	}
	c := p.classes[len(p.classes)-1]
	m := &method{class: c, name: words[0], id: uint16(id), sender: words[2]}
	for i := 3; i < len(words); i++ {
		switch word := words[i]; {
		case word == "content":
			m.content = true
		case word == "->" && i+1 < len(words):
			i++
			m.reply = words[i]
		case strings.HasPrefix(word, "§"):
			m.section = strings.TrimPrefix(word, "§")
		default:
			return fmt.Errorf("what is %q", word)
		}
	}
	c.methods = append(c.methods, m)
	p.method = m
	return nil
}

func (p *parser) addField(words []string, doc string) error {
	if len(words) != 2 {
		return fmt.Errorf("a field has a name and a type")
	}
	f := &field{name: words[0], kind: words[1], doc: doc, reserved: words[0] == "reserved"}
	if _, ok := goTypes[f.kind]; !ok {
		return fmt.Errorf("unknown type %q", f.kind)
	}
	if !f.reserved && doc == "" {
		return fmt.Errorf("%s is not documented", f.name)
	}
	p.method.fields = append(p.method.fields, f)
	return nil
}

// check looks at what one line cannot tell.
func (p *parser) check() error {
	seen := map[uint32]bool{}
	for _, c := range p.classes {
		for _, m := range c.methods {
			switch {
			case seen[m.number()]:
				return fmt.Errorf("%s has the id of another method", m)
			case m.doc == "":
				return fmt.Errorf("%s is not documented", m)
			case m.sender != "client" && m.sender != "server" && m.sender != "both":
				return fmt.Errorf("%s is sent by %q", m, m.sender)
			case m.reply != "" && c.method(m.reply) == nil:
				return fmt.Errorf("%s has an unknown reply %s", m, m.reply)
			}
			seen[m.number()] = true
		}
	}
	return nil
}

func (c *class) method(name string) *method {
	for _, m := range c.methods {
		if m.name == name {
			return m
		}
	}
	return nil
}

func (m *method) String() string { return m.class.name + "." + m.name }

func (m *method) number() uint32 { return uint32(m.class.id)<<16 | uint32(m.id) }
