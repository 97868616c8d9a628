// Package erlang prints values of field tables as RabbitMQ's reply texts show them.
package erlang

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/haypile/haypile/core/wire"
)

// Type is RabbitMQ's name for the type that a value of a table is encoded
// as, which its reply texts show.
func Type(v any) string {
	switch v := v.(type) {
	case nil:
		return "void"
	case bool:
		return "bool"
	case int8:
		return "byte"
	case uint8:
		return "unsignedbyte"
	case int16:
		return "short"
	case uint16:
		return "unsignedshort"
	case int32:
		return "signedint"
	case uint32:
		return "unsignedint"
	case int:
		if v >= math.MinInt32 && v <= math.MaxInt32 {
			return "signedint"
		}
		return "long"
	case float32:
		return "float"
	case float64:
		return "double"
	case wire.Decimal:
		return "decimal"
	case string:
		return "longstr"
	case []byte:
		return "binary"
	case time.Time:
		return "timestamp"
	case wire.Table, map[string]any:
		return "table"
	case []any:
		return "array"
	}
	return "long"
}

// Term is a value of a table as RabbitMQ's reply texts print it.
func Term(v any) string {
	switch v := v.(type) {
	case nil:
		return "undefined"
	case float32:
		return float(float64(v))
	case float64:
		return float(v)
	case wire.Decimal:
		return fmt.Sprintf("{%d,%d}", v.Scale, v.Value)
	case string:
		return binary(v)
	case []byte:
		return binary(string(v))
	case time.Time:
		return strconv.FormatInt(v.Unix(), 10)
	case map[string]any:
		return table(v)
	case wire.Table:
		return table(v)
	case []any:
		parts := make([]string, len(v))
		for i, e := range v {
			parts[i] = "{" + Type(e) + "," + Term(e) + "}"
		}
		return "[" + strings.Join(parts, ",") + "]"
	}
	return fmt.Sprint(v)
}

func table(t wire.Table) string {
	parts := make([]string, 0, len(t))
	for key, v := range t {
		parts = append(parts, "{"+binary(key)+","+Type(v)+","+Term(v)+"}")
	}
	slices.Sort(parts)
	return "[" + strings.Join(parts, ",") + "]"
}

func float(f float64) string {
	s := strconv.FormatFloat(f, 'f', -1, 64)
	if !strings.Contains(s, ".") {
		s += ".0"
	}
	return s
}

// binary is text if every byte is a printable character of Latin-1, else
// numbers.
func binary(s string) string {
	const escaped, letters = "\b\t\n\v\f\r\x1b\"\\", `btnvfre"\`
	if s == "" {
		return "<<>>"
	}
	text := []byte(`<<"`)
	numbers := make([]string, len(s))
	printable := true
	for i := range len(s) {
		c := s[i]
		numbers[i] = strconv.Itoa(int(c))
		if at := strings.IndexByte(escaped, c); at >= 0 {
			text = append(text, '\\', letters[at])
			continue
		}
		printable = printable && (c >= ' ' && c <= '~' || c >= 0xa0)
		text = append(text, c)
	}
	if !printable {
		return "<<" + strings.Join(numbers, ",") + ">>"
	}
	return string(append(text, `">>`...))
}
