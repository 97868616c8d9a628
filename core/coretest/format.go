package coretest

import (
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/haypile/haypile/core/wire"
)

// Format is a method as one line: its name and those fields that are not zero,
// as in "queue.declare queue=jobs durable". Secrets are redacted. Parse reads it
// back.
func Format(m wire.Method) string {
	var b strings.Builder
	b.WriteString(m.ID().String())
	v := reflect.ValueOf(m).Elem()
	for i := range v.NumField() {
		formatField(&b, dashed(v.Type().Field(i).Name), v.Field(i))
	}
	return b.String()
}

func formatField(b *strings.Builder, name string, v reflect.Value) {
	switch {
	case v.IsZero():
	case v.Kind() == reflect.Bool:
		b.WriteString(" " + name)
	default:
		b.WriteString(" " + name + "=" + formatValue(v.Interface()))
	}
}

// FormatProperties is the properties that are present, in braces.
func FormatProperties(raw wire.RawProperties) string {
	p, err := raw.Decode()
	if err != nil {
		return fmt.Sprintf("{%v}", err)
	}
	var fields []string
	v := reflect.ValueOf(p)
	for i := range v.NumField() {
		name := v.Type().Field(i).Name
		if name == "Present" || v.Field(i).IsZero() {
			continue
		}
		fields = append(fields, dashed(name)+"="+formatValue(v.Field(i).Interface()))
	}
	return "{" + strings.Join(fields, " ") + "}"
}

var bare = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_./#-]*$`)

// formatValue is a value as Parse reads it. Of numbers, the type is lost.
func formatValue(v any) string {
	switch v := v.(type) {
	case string:
		if bare.MatchString(v) && v != "true" && v != "false" && v != "nil" {
			return v
		}
		return strconv.Quote(v)
	case []byte:
		return formatBody(v)
	case wire.Secret:
		return v.String()
	case wire.MethodID:
		return v.String()
	case wire.Code:
		return strconv.Itoa(int(v))
	case wire.Table:
		return formatTable(v)
	case []any:
		items := make([]string, len(v))
		for i := range v {
			items[i] = formatValue(v[i])
		}
		return "[" + strings.Join(items, " ") + "]"
	case time.Time:
		return strconv.FormatInt(v.Unix(), 10)
	case nil:
		return "nil"
	}
	return fmt.Sprint(v)
}

func formatTable(t wire.Table) string {
	keys := make([]string, 0, len(t))
	for k := range t {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for i, k := range keys {
		keys[i] = formatValue(k) + "=" + formatValue(t[k])
	}
	return "{" + strings.Join(keys, " ") + "}"
}

// formatBody shortens runs of one byte to x*70000.
func formatBody(body []byte) string {
	if n := len(body); n > 16 && strings.Count(string(body), string(body[:1])) == n {
		return fmt.Sprintf("%c*%d", body[0], n)
	}
	return strconv.Quote(string(body))
}

// dashed makes delivery-tag of DeliveryTag, and message-id of MessageID.
func dashed(name string) string {
	var b strings.Builder
	runes := []rune(name)
	for i, r := range runes {
		if i > 0 && unicode.IsUpper(r) && !unicode.IsUpper(runes[i-1]) {
			b.WriteByte('-')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}
