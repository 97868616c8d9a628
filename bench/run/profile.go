package main

import (
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// profiles is their folder, among the results.
const profiles = "profiles"

// profileRows leaves a CPU and an allocation profile for each row against the sink
// and each subject, in runs of their own: the second kind takes time.
func (b *bench) profileRows() error {
	folder := filepath.Join(b.out, profiles)
	subjects := slices.Concat([]subject{amqp091}, everywhere("blocking"), everywhere("callback"))
	for _, r := range sinkRows() {
		if !b.only.MatchString(r.name) {
			continue
		}
		for _, s := range subjects {
			if !s.does(r) {
				continue
			}
			file := filepath.Join(folder, fileName(r.name+" by "+s.name))
			n := b.count(r, s)
			for _, kind := range []struct {
				option, suffix string
				n              int
			}{{"-cpuprofile", ".cpu", n}, {"-memprofile", ".mem", max(n/10, 20)}} {
				args := slices.Concat(s.args, r.args, []string{"-n", strconv.Itoa(kind.n), kind.option, file + kind.suffix})
				if _, err := b.measure(args...); err != nil {
					return err
				}
			}
			fmt.Println(file)
		}
	}
	return nil
}

// fileName is a name without what files had better not have in theirs.
func fileName(name string) string {
	return strings.Map(func(r rune) rune {
		if r == ' ' || r == ',' || r == '/' {
			return '-'
		}
		return r
	}, name)
}
