package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/haypile/haypile/adapters/blocking"
	"github.com/haypile/haypile/test/rabbitmq"
)

// rabbitmq measures against a RabbitMQ, if there is one.
func (b *bench) rabbitmq(r *report) error {
	url, stop, err := b.startRabbitMQ()
	if err != nil || url == "" {
		return err
	}
	defer stop()
	if b.broker, err = version(url); err != nil {
		return err
	}
	subjects := []subject{floor, {name: amqp091.name, args: amqp091.args}}
	sink := r.sink
	if b.quick {
		sink = nil
		subjects = append(subjects, haypile("blocking", "stdnet"), patient(haypile("blocking", "stdnet")))
	} else {
		subjects = slices.Concat(subjects, everywhere("blocking"), everywhere("callback"))
		for _, s := range everywhere("blocking") {
			subjects = append(subjects, patient(s))
		}
	}
	r.rabbitmq, err = b.fill(rabbitRows(sink), subjects, b.rounds, "-url", url)
	return err
}

// startRabbitMQ is a broker's URI, or nothing.
func (b *bench) startRabbitMQ() (url string, stop func(), err error) {
	switch b.plan.rabbitmq {
	case "":
	case "none":
		return "", nil, nil
	default:
		return b.plan.rabbitmq, func() {}, nil
	}
	node, err := rabbitmq.New()
	if errors.Is(err, exec.ErrNotFound) || errors.Is(err, os.ErrNotExist) {
		fmt.Fprintln(os.Stderr, "without RabbitMQ, which is not installed")
		return "", nil, nil
	}
	if err != nil {
		return "", nil, err
	}
	return node.URL(), node.Remove, nil
}

// version is what the broker calls itself.
func version(url string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	conn, err := blocking.Dial(ctx, url)
	if err != nil {
		return "", err
	}
	defer conn.Close(ctx)
	p := conn.ServerProperties()
	return strings.TrimSpace(fmt.Sprint(p["product"], " ", p["version"])), nil
}
