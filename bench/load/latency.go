package main

import (
	"slices"
	"time"
)

// latencies are round trips of one connection; it has room for all of them, since
// making room would count as the client's allocations.
type latencies []time.Duration

func (l *latencies) add(began time.Time) {
	if len(*l) < cap(*l) {
		*l = append(*l, time.Since(began))
	}
}

// percentile is 0 where there were no round trips.
func percentile(sorted []time.Duration, p int) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[(len(sorted)-1)*p/100]
}

// merge is all of them in order.
func merge(each []latencies) []time.Duration {
	var all []time.Duration
	for _, l := range each {
		all = append(all, l...)
	}
	slices.Sort(all)
	return all
}
