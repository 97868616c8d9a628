package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/haypile/haypile/bench/internal/usage"
)

// result is a measurement.
type result struct {
	j     *job
	used  usage.Usage
	wall  time.Duration
	trips []time.Duration // in order of length
	held  usage.Held      // of idle
	more  string          // what only some modes have
}

// String is the line that is printed.
func (r *result) String() string {
	adapter := r.j.adapter
	if r.j.peer != "haypile" {
		adapter = "-"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "peer=%s adapter=%s api=%s mode=%s size=%d n=%d wall_s=%.3f msgs_s=%.0f", r.j.peer, adapter, r.j.api, r.j.mode, r.j.size, r.j.n, r.wall.Seconds(), float64(r.j.n)/r.wall.Seconds())
	for _, f := range []struct {
		name  string
		total float64
	}{
		{"cpu_us", micros(r.used.CPU())}, {"user_us", micros(r.used.User)}, {"sys_us", micros(r.used.System)},
		{"allocs", float64(r.used.Allocs)}, {"bytes", float64(r.used.Bytes)},
	} {
		fmt.Fprintf(&b, " %s_per_msg=%.4g", f.name, f.total/float64(r.j.n))
	}
	fmt.Fprintf(&b, " writes_per_msg=%.4g maxrss_kb=%d p50_us=%.1f p99_us=%.1f", r.writes(), r.used.MaxResident>>10, micros(percentile(r.trips, 50)), micros(percentile(r.trips, 99)))
	return b.String() + r.more
}

func (r *result) writes() float64 {
	if r.used.Writes < 0 {
		return -1
	}
	return float64(r.used.Writes) / float64(r.j.n)
}

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }
