package management

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// arrange is what the query asks of a list: which objects, in which order, which
// page of them, and which fields.
func arrange(all []object, r *http.Request) (any, *refusal) {
	query := r.URL.Query()
	total := len(all)
	if name := query.Get("name"); name != "" {
		all = slices.DeleteFunc(all, func(o object) bool {
			text, _ := o["name"].(string)
			return !strings.Contains(text, name)
		})
	}
	if field := query.Get("sort"); field != "" {
		order(all, field, query.Get("sort_reverse") == "true")
	}
	if query.Get("page") == "" {
		return pickAll(all, columns(r)), nil
	}
	return paged(all, total, r)
}

func order(all []object, field string, reverse bool) {
	slices.SortStableFunc(all, func(a, b object) int {
		x, y := at(a, field), at(b, field)
		by := cmp.Compare(amount(x), amount(y))
		if by == 0 {
			by = strings.Compare(fmt.Sprint(x), fmt.Sprint(y))
		}
		if reverse {
			return -by
		}
		return by
	})
}

// at is a field by its path, such as message_stats.publish; nil if there is none.
func at(o object, path string) any {
	first, rest, deeper := strings.Cut(path, ".")
	value, ok := o[first]
	if !deeper || !ok {
		return value
	}
	if inner, ok := value.(object); ok {
		return at(inner, rest)
	}
	return nil
}

// amount is what a number sorts by; everything else is equal.
func amount(value any) float64 {
	switch x := value.(type) {
	case int:
		return float64(x)
	case int64:
		return float64(x)
	case uint64:
		return float64(x)
	case uint32:
		return float64(x)
	case uint16:
		return float64(x)
	case float64:
		return x
	}
	return 0
}

// columns are the paths of the fields that the query asks for; none for all.
func columns(r *http.Request) []string {
	if text := r.URL.Query().Get("columns"); text != "" {
		return strings.Split(text, ",")
	}
	return nil
}

func pickAll(all []object, paths []string) []object {
	picked := make([]object, len(all))
	for i, o := range all {
		picked[i] = pick(o, paths)
	}
	return picked
}

func pick(o object, paths []string) object {
	if len(paths) == 0 {
		return o
	}
	picked := object{}
	for _, path := range paths {
		first, rest, deeper := strings.Cut(path, ".")
		value, ok := o[first]
		inner, nested := value.(object)
		switch {
		case ok && !deeper:
			picked[first] = value
		case ok && nested:
			into, _ := picked[first].(object)
			if into == nil {
				into = object{}
				picked[first] = into
			}
			for name, value := range pick(inner, []string{rest}) {
				into[name] = value
			}
		}
	}
	return picked
}
