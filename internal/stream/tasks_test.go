package stream

import (
	"sync"
	"testing"
)

type taskFunc func()

func (f taskFunc) Run() { f() }

func TestTasksThatTasksAddWaitForTheNextRun(t *testing.T) {
	told, ran := 0, 0
	q := Tasks{Tell: func() { told++ }}
	var again taskFunc
	again = func() {
		ran++
		q.Add(again)
	}
	q.Add(again)
	q.Add(taskFunc(func() { ran++ }))
	if more := q.Run(); !more || ran != 2 || told != 1 {
		t.Errorf("after the first run: %d ran, more %v, told %d times", ran, more, told)
	}
	if more := q.Run(); !more || ran != 3 || told != 1 {
		t.Errorf("after the second: %d ran, more %v, told %d times", ran, more, told)
	}
}

func TestTheLoopIsToldAgainWhenThereWereNoMoreTasks(t *testing.T) {
	told := 0
	q := Tasks{Tell: func() { told++ }}
	for round := 1; round <= 3; round++ {
		for range 5 {
			q.Add(taskFunc(func() {}))
		}
		if more := q.Run(); more || told != round {
			t.Errorf("round %d: more %v, told %d times", round, more, told)
		}
	}
}

func TestClosedTasksRefuseMoreAndRunWhatWasThere(t *testing.T) {
	told, ran := 0, 0
	q := Tasks{Tell: func() { told++ }}
	count := taskFunc(func() { ran++ })
	q.Add(taskFunc(func() {
		q.Add(count)
		q.Close()
		if q.Add(count) {
			t.Error("a task was taken after Close, in a run")
		}
	}))
	if !q.Run() || q.Run() || ran != 1 {
		t.Errorf("%d ran of the one that was there", ran)
	}
	if q.Add(count) || told != 1 {
		t.Errorf("after the last run: told %d times", told)
	}
}

func TestTasksOfManyGoroutinesRunOnce(t *testing.T) {
	const callers, each = 8, 2000
	rings := make(chan struct{}, 1) // one is on its way at most, so that Tell does not wait
	q := Tasks{Tell: func() { rings <- struct{}{} }}
	ran := 0 // of the loop
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			for range each {
				q.Add(taskFunc(func() { ran++ }))
			}
		})
	}
	for ran < callers*each {
		<-rings
		for q.Run() {
		}
	}
	wg.Wait()
	if q.Run() || ran != callers*each {
		t.Errorf("%d ran", ran)
	}
}
