module github.com/haypile/haypile/bench

go 1.26

require (
	github.com/haypile/haypile v0.0.0
	github.com/rabbitmq/amqp091-go v1.16.0
)

replace github.com/haypile/haypile => ../
