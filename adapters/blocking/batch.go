package blocking

import (
	"context"
	"iter"
	"slices"
	"time"
)

// ConsumeBatches is Consume for programs that work on many messages at once: it
// returns batches of up to size deliveries. A batch that is not full comes when
// wait has passed since its first delivery; with a wait of 0, at once.
//
//	for batch, err := range ch.ConsumeBatches(ctx, &blocking.Consume{Queue: "rows"}, 500, time.Second) {
//		if err != nil {
//			return err
//		}
//		insert(batch)
//		for _, d := range batch {
//			d.Ack()
//		}
//	}
//
// Batches are never empty, and the caller's to keep. What Consume says of errors
// and of leaving the loop holds here; a batch that is not full when the consumer
// ends comes before the error, and one that is not full when ctx ends goes back to
// the queue. The prefetch must allow a whole batch; its default allows two, and at
// least 128 deliveries. With WithMergedAcks on the channel, the acks of a batch
// become one.
func (ch *Channel) ConsumeBatches(ctx context.Context, opts *Consume, size int, wait time.Duration) iter.Seq2[[]*Delivery, error] {
	return func(yield func([]*Delivery, error) bool) {
		opts, err := opts.forBatches(size, wait)
		if err != nil {
			yield(nil, err)
			return
		}
		k, err := ch.startConsumer(ctx, opts)
		if err != nil {
			yield(nil, err)
			return
		}
		defer k.leave(ctx)
		for {
			batch, err := k.batch(ctx, opts.patience(), size, wait)
			for _, d := range batch {
				d.handed(ctx, opts.Queue)
			}
			if len(batch) > 0 && !yield(batch, nil) {
				return
			}
			if err != nil && !yield(nil, err) || err != nil && err != ErrInactive {
				return
			}
		}
	}
}

// forBatches is a copy of the options, with a prefetch that fits.
func (opts *Consume) forBatches(size int, wait time.Duration) (*Consume, error) {
	if err := opts.check(); err != nil {
		return nil, err
	}
	o := *opts
	if o.Prefetch == 0 {
		o.Prefetch = min(max(2*size, defaultPrefetch), maxPrefetch)
	}
	switch n := o.prefetch(); {
	case size < 1:
		return nil, &ConfigError{Field: "size", Value: size, Want: "positive"}
	case o.ReuseBodies:
		return nil, &ConfigError{Field: "ReuseBodies", Value: true, Want: "false for batches, which are the caller's to keep"}
	case wait < 0:
		return nil, &ConfigError{Field: "wait", Value: wait, Want: "positive, or 0 for not at all"}
	case n > 0 && n < size:
		return nil, &ConfigError{Field: "Prefetch", Value: n, Want: "at least the size of a batch"}
	}
	return &o, nil
}

// batch waits for the next batch. Both a batch and an error: the consumer ended
// behind it.
func (k *consumer) batch(ctx context.Context, patience time.Duration, size int, wait time.Duration) (batch []*Delivery, err error) {
	d, err := k.next(ctx, patience)
	if err != nil {
		return nil, err
	}
	batch = append(batch, d)
	for end := time.Now().Add(wait); len(batch) < size && err == nil; {
		if d, err = k.next(ctx, time.Until(end)); err == nil {
			batch = append(batch, d)
		}
	}
	batch = slices.DeleteFunc(batch, (*Delivery).stale)
	switch {
	case ctx.Err() != nil:
		k.unread(batch...)
		return nil, ctx.Err()
	case err == ErrInactive:
		err = nil
	}
	return batch, err
}
