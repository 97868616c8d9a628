// Package differential compares the embedded broker with a real RabbitMQ: one
// corpus of scripts is played against both, and what comes back must be the
// same, field by field and word by word.
//
// A script in testdata is a conversation. Lines at the margin are what the
// clients do, indented ones what the server answers:
//
//	# The default exchange routes by the name of the queue.
//	connect
//	1 queue.declare queue=q
//	  <- 1 queue.declare-ok queue=q
//	1 basic.publish routing-key=q body=hello
//	1 basic.get queue=q no-ack
//	  <- 1 basic.get-ok delivery-tag=1 routing-key=q body="hello"
//
// The answers are RabbitMQ 3.10's, recorded by
//
//	go test ./test/differential -run RabbitMQ -record
//
// and reviewed as a diff. TestRabbitMQ holds them against a node that it starts,
// TestBroker against the broker, which needs nothing installed. Where the broker
// is meant to differ, differences.txt says how and why.
//
// # Commands
//
// A command begins with a connection's name and a colon, "b: 1 channel.open",
// unless it is for the connection a. N is a channel, METHOD as coretest.Parse
// reads it.
//
//	connect [NAME] [OPTION=VALUE ...]  a connection, with channel 1 open
//	dial [NAME]                        only the socket
//	N METHOD                           with its content
//	N alone METHOD                     without it
//	N header CLASS SIZE                a content header with no property
//	N body TEXT                        a body frame
//	N method HEX                       a method frame of that payload
//	N frame TYPE HEX                   a frame of that type and payload
//	raw HEX, text QUOTED               bytes
//	hang-up                            closes the socket
//	+ COMMAND                          leaves in one write with the next one
//	await TEXT COMMAND                 until an answer has the text
//	until TEXT COMMAND                 again and again until an answer has it
//
// The options of connect are user, password, vhost, channel-max, frame-max,
// heartbeat, channels (how many to open, 1), capabilities, and manual, with which
// the script itself answers what the server closes; else the player does.
//
// Numbers in tables are written int64:5, float64:0.5 and so on; one without a type
// is an int32. bytes:x and time:0 are the byte array and the time.
//
// # When a command is done
//
// The player waits until the answers are those of the script, and then for two
// round trips on each open channel, which show that nothing else comes. What
// comes later still counts as an answer of the next command, and differs there.
// No command waits for a time to pass.
//
// # What may differ
//
// These are made equal before anything is compared:
//
//   - names that the server made up are numbered: amq.gen-1, amq.ctag-2,
//     amq.rabbitmq.reply-to.1; a command that has such a name sends the real one
//   - the virtual host of the script is "/", in texts, too
//   - a time of the last hour is "now"
//   - of connection.start, only the capabilities are kept of the properties
//   - who closes the socket after connection.close-ok
//
// RabbitMQ leaves some of the order open, so within the answers to one command
//
//   - connections, then channels, are sorted; the order on a channel is kept,
//     save for the next two
//   - confirms come last, as one line, with the numbers that they settle
//   - a basic.cancel of the server comes behind the rest
//
// A script must not have two queues deliver to one channel by one command: that
// order is open, too.
package differential
