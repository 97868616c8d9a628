package sink

import (
	"fmt"
	"strings"
)

// options are how a client wants the sink to be, as its virtual host says.
type options struct {
	eager bool
	hold  uint64 // publishes that are confirmed together, 0 for those of one read
}

// parseOptions reads a virtual host: words with "-" between them.
func parseOptions(vhost string) (o options, err error) {
	for word := range strings.SplitSeq(vhost, "-") {
		switch {
		case word == "/" || word == "":
		case word == "eager":
			o.eager = true
		case strings.HasPrefix(word, "hold"):
			if _, err := fmt.Sscanf(word, "hold%d", &o.hold); err != nil {
				return o, fmt.Errorf("virtual host %q: %w", vhost, err)
			}
		default:
			return o, fmt.Errorf("unknown virtual host %q", vhost)
		}
	}
	return o, nil
}
