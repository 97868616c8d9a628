package differential

import (
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/haypile/haypile/core/coretest"
	"github.com/haypile/haypile/core/wire"
)

func quote(s string) string { return strconv.Quote(s) }

// formatEvent is an event as a script has it, before names are made equal.
func formatEvent(e event) string {
	if e.method == nil {
		return "<- " + e.other
	}
	line := fmt.Sprintf("<- %d %s", e.channel, formatMethod(e.method))
	if !e.method.ID().HasContent() {
		return line
	}
	if p := formatProperties(e.props); p != "" {
		line += " properties={" + p + "}"
	}
	return line + " body=" + formatBody(e.body)
}

func formatMethod(m wire.Method) string {
	start, ok := m.(*wire.ConnectionStart)
	if !ok {
		return coretest.Format(m)
	}
	shown := *start
	shown.ServerProperties = nil
	line := coretest.Format(&shown)
	if c, ok := start.ServerProperties["capabilities"].(wire.Table); ok {
		line += " capabilities=" + formatValue(c)
	}
	return line
}

// formatProperties are the properties that are present, also the empty ones.
func formatProperties(raw wire.RawProperties) string {
	p, err := raw.Decode()
	if err != nil {
		return err.Error()
	}
	var fields []string
	v := reflect.ValueOf(p)
	for i := 1; i < v.NumField(); i++ { // the first is Present
		bit := wire.HasContentType >> (i - 1)
		if p.Present&bit != 0 {
			fields = append(fields, bit.String()+"="+formatValue(v.Field(i).Interface()))
		}
	}
	return strings.Join(fields, " ")
}

func formatBody(body []byte) string {
	if n := len(body); n > 16 && strings.Count(string(body), string(body[:1])) == n {
		return fmt.Sprintf("%c*%d", body[0], n)
	}
	return quote(string(body))
}

var bare = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_./#-]*$`)

// formatValue keeps the type of numbers, which coretest does not.
func formatValue(v any) string {
	switch v := v.(type) {
	case string:
		if bare.MatchString(v) && v != "true" && v != "false" && v != "nil" {
			return v
		}
		return quote(v)
	case wire.Table:
		fields := make([]string, 0, len(v))
		for _, k := range slices.Sorted(maps.Keys(v)) {
			fields = append(fields, formatValue(k)+"="+formatValue(v[k]))
		}
		return "{" + strings.Join(fields, " ") + "}"
	case []any:
		items := make([]string, len(v))
		for i := range v {
			items[i] = formatValue(v[i])
		}
		return "[" + strings.Join(items, " ") + "]"
	case time.Time:
		if age := time.Since(v); age > -time.Hour && age < time.Hour {
			return "now"
		}
		return fmt.Sprintf("time:%d", v.Unix())
	case []byte:
		return "bytes:" + string(v)
	case nil:
		return "nil"
	case bool, int32:
		return fmt.Sprint(v)
	}
	return fmt.Sprintf("%T:%v", v, v)
}

// typed has the values of a table, as coretest.Parse read it, be what their
// prefixes say.
func typed(v any) any {
	switch v := v.(type) {
	case wire.Table:
		for k := range v {
			v[k] = typed(v[k])
		}
	case []any:
		for i := range v {
			v[i] = typed(v[i])
		}
	case string:
		if kind, text, ok := strings.Cut(v, ":"); ok {
			return number(kind, text, v)
		}
	}
	return v
}

func number(kind, text, whole string) any {
	n, _ := strconv.ParseInt(text, 10, 64)
	f, _ := strconv.ParseFloat(text, 64)
	switch kind {
	case "int8":
		return int8(n)
	case "uint8":
		return uint8(n)
	case "int16":
		return int16(n)
	case "uint16":
		return uint16(n)
	case "uint32":
		return uint32(n)
	case "int64":
		return n
	case "float32":
		return float32(f)
	case "float64":
		return f
	case "bytes":
		return []byte(text)
	case "time":
		return time.Unix(n, 0).UTC()
	}
	return whole
}

// retype is typed for all tables of a message.
func retype(m *coretest.Message) error {
	v := reflect.ValueOf(m.Method).Elem()
	for i := range v.NumField() {
		if t, ok := v.Field(i).Interface().(wire.Table); ok && t != nil {
			typed(t)
		}
	}
	if len(m.Properties) == 0 {
		return nil
	}
	p, err := m.Properties.Decode()
	if err != nil || p.Headers == nil {
		return err
	}
	typed(p.Headers)
	m.Properties, err = p.Encode()
	return err
}
