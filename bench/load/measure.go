package main

import (
	"context"
	"errors"
	"runtime"
	"sync"

	"github.com/haypile/haypile/bench/internal/loops"
	"github.com/haypile/haypile/bench/internal/usage"
)

// measure runs the job.
func measure(ctx context.Context, j *job) (r *result, err error) {
	profile, err := startProfiles(j)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, profile.write()) }()
	if j.peer == "haypile" {
		if j.loop, err = loops.New(j.adapter); err != nil {
			return nil, err
		}
		defer func() {
			j.loop.Close()
			<-j.loop.Done()
		}()
	}
	if j.mode == modeIdle {
		return idle(ctx, j, profile)
	}
	clients, trips, err := openAll(ctx, j, j.conns)
	defer closeAll(clients)
	if err != nil {
		return nil, err
	}
	runtime.GC()
	if err := profile.start(); err != nil {
		return nil, err
	}
	before := usage.Now()
	err = runAll(j, clients)
	used := usage.Now().Since(before)
	profile.stop()
	if err != nil {
		return nil, err
	}
	return &result{j: j, used: used, wall: used.At.Sub(before.At), trips: merge(trips)}, nil
}

// openAll opens k clients. They are to be closed also after an error.
func openAll(ctx context.Context, j *job, k int) (clients []client, trips []latencies, err error) {
	clients = make([]client, k)
	trips = make([]latencies, k)
	errs := make([]error, k)
	slots := make(chan struct{}, 16) // as many dial at a time
	var wg sync.WaitGroup
	for i := range k {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			if j.hasRoundTrips() {
				trips[i] = make(latencies, 0, share(j.n, k, i))
			}
			c, err := peers[j.peer+" "+j.api](ctx, j, &trips[i])
			if errs[i] = err; err == nil {
				clients[i] = c
			}
		})
	}
	wg.Wait()
	return clients, trips, errors.Join(errs...)
}

// runAll has each client do its share, all at once.
func runAll(j *job, clients []client) error {
	errs := make([]error, len(clients))
	var wg sync.WaitGroup
	for i, c := range clients {
		wg.Go(func() { errs[i] = c.run(share(j.n, len(clients), i)) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

func closeAll(clients []client) {
	var wg sync.WaitGroup
	for _, c := range clients {
		if c != nil {
			wg.Go(c.close)
		}
	}
	wg.Wait()
}
