package management

import (
	"math"
	"time"

	"github.com/haypile/haypile/core/wire"
)

// jsonTable is a field table as RabbitMQ has it in JSON: times in seconds since
// 1970, bytes as text. What JSON has no number for is null.
func jsonTable(t wire.Table) object {
	o := make(object, len(t))
	for key, value := range t {
		o[key] = jsonValue(value)
	}
	return o
}

func jsonValue(value any) any {
	switch x := value.(type) {
	case wire.Table:
		return jsonTable(x)
	case map[string]any:
		return jsonTable(x)
	case []any:
		all := make([]any, len(x))
		for i := range x {
			all[i] = jsonValue(x[i])
		}
		return all
	case []byte:
		return string(x)
	case time.Time:
		return x.Unix()
	case wire.Decimal:
		return float64(x.Value) / math.Pow10(int(x.Scale))
	case float32:
		return jsonFloat(float64(x))
	case float64:
		return jsonFloat(x)
	}
	return value
}

func jsonFloat(x float64) any {
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return nil
	}
	return x
}
