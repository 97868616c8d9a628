package main

import (
	"context"

	"github.com/haypile/haypile/adapters/driver"
	"github.com/haypile/haypile/bench/internal/loops"
	"github.com/haypile/haypile/core"
)

// callbacks waits for each callback before it adds the next.
func callbacks(ctx context.Context, j job, begin func()) error {
	params, err := driver.ParseURI(j.url)
	if err != nil {
		return err
	}
	loop, err := loops.New(j.adapter)
	if err != nil {
		return err
	}
	defer func() {
		loop.Close()
		<-loop.Done()
	}()
	conn, err := driver.Dial(ctx, loop, params, nil)
	if err != nil {
		return err
	}
	defer conn.Abort()
	back := make(chan struct{})
	answer := func(*core.Conn) { back <- struct{}{} }
	begin()
	for range j.n {
		if err := conn.AddCallbackThreadsafe(answer); err != nil {
			return err
		}
		<-back
	}
	return nil
}

// channels does the same with a goroutine in the place of the loop.
func channels(_ context.Context, j job, begin func()) error {
	there, back := make(chan struct{}), make(chan struct{})
	go func() {
		for range there {
			back <- struct{}{}
		}
	}()
	defer close(there)
	begin()
	for range j.n {
		there <- struct{}{}
		<-back
	}
	return nil
}
