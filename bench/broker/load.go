package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/haypile/haypile/test/rabbitmq"
)

// load compares the broker with RabbitMQ.
func load(j job) error {
	if j.n == 0 {
		j.n = 100_000
	}
	p, err := startProcess(j.adapter)
	if err != nil {
		return err
	}
	defer p.stop()
	names, urls := []string{"broker"}, []string{p.url}
	if j.rabbitmq {
		node, err := rabbitmq.New()
		if err != nil {
			return err
		}
		defer node.Remove()
		names, urls = append(names, "rabbitmq"), append(urls, node.URL())
	}
	rates := make([][]float64, len(urls))
	for round := range j.rounds + 1 { // the first warms up
		for i, url := range urls {
			before, err := p.cpu()
			if err != nil {
				return err
			}
			took, err := loadRound(j, url)
			if err != nil {
				return fmt.Errorf("%s: %w", names[i], err)
			}
			after, err := p.cpu()
			if err != nil {
				return err
			}
			rate := float64(j.n) / took.Seconds()
			fmt.Printf("peer=%s adapter=%s round=%d pairs=%d size=%d n=%d msgs_s=%.0f", names[i], j.adapter, round, j.pairs, j.size, j.n, rate)
			if i == 0 { // RabbitMQ does not tell
				fmt.Printf(" broker_cpu_us_per_msg=%.3f", float64(after-before)/float64(j.n))
			}
			fmt.Println()
			if round > 0 {
				rates[i] = append(rates[i], rate)
			}
		}
	}
	for i := range rates {
		slices.Sort(rates[i])
		fmt.Printf("median peer=%s msgs_s=%.0f least=%.0f most=%.0f\n", names[i], rates[i][j.rounds/2], rates[i][0], rates[i][j.rounds-1])
	}
	if j.rabbitmq {
		fmt.Printf("ratio=%.1f\n", rates[0][j.rounds/2]/rates[1][j.rounds/2])
	}
	return nil
}

// loadRound is a cycle through fresh queues and connections.
func loadRound(j job, url string) (took time.Duration, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	pairs := make([]*pair, j.pairs)
	for i := range pairs {
		if pairs[i], err = newPair(ctx, url, fmt.Sprint("load-", i), j.window); err != nil {
			return 0, err
		}
		defer func() { err = errors.Join(err, pairs[i].close(ctx)) }()
	}
	return cycle(ctx, pairs, j, 1)
}
