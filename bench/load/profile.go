package main

import (
	"errors"
	"os"
	"runtime"
	"runtime/pprof"
)

// profiles are of the part of the program that is measured; of its allocations all
// since the profile was begun.
type profiles struct {
	cpu    *os.File
	memory string
}

func startProfiles(j *job) (p *profiles, err error) {
	p = &profiles{memory: j.memProfile}
	if p.memory != "" {
		runtime.MemProfileRate = 1
	}
	if j.cpuProfile != "" {
		p.cpu, err = os.Create(j.cpuProfile)
	}
	return p, err
}

func (p *profiles) start() error {
	if p.cpu == nil {
		return nil
	}
	return pprof.StartCPUProfile(p.cpu)
}

func (p *profiles) stop() {
	if p.cpu != nil {
		pprof.StopCPUProfile()
	}
}

func (p *profiles) write() (err error) {
	if p.cpu != nil {
		err = p.cpu.Close()
	}
	if p.memory == "" {
		return err
	}
	f, failed := os.Create(p.memory)
	if failed != nil {
		return errors.Join(err, failed)
	}
	return errors.Join(err, pprof.Lookup("allocs").WriteTo(f, 0), f.Close())
}
