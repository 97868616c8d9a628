// Package blocking is AMQP 0-9-1 for ordinary goroutines: calls that wait for
// the broker's answer, take a context, and may be made from any number of
// goroutines at once. It is the only import that most programs need.
//
//	conn, err := blocking.Dial(ctx, "amqp://guest:guest@localhost/")
//	if err != nil {
//		return err
//	}
//	defer conn.Close(ctx)
//	ch, err := conn.Channel(ctx)
//	if err != nil {
//		return err
//	}
//	if _, err := ch.QueueDeclare(ctx, &blocking.QueueDeclare{Queue: "jobs", Durable: true}); err != nil {
//		return err
//	}
//	for d, err := range ch.Consume(ctx, &blocking.Consume{Queue: "jobs"}) {
//		if err != nil {
//			return err
//		}
//		work(d.Body)
//		d.Ack()
//	}
//
// # Waiting
//
// Every call that waits ends when its context does, when the broker answers, or
// when the channel or connection ends; then its error has the broker's reason.
// A context that ends abandons the wait, not the request: what was sent stays
// sent, and a late answer is dropped. So does the end of WithRPCTimeout.
//
// # Order
//
// The calls of one goroutine reach the broker in the order in which they were
// made, on whatever channels. Publish and the acks of a Delivery return at once, but
// for bodies of 256 KiB or more: they are queued and leave, many in one write, as soon
// as the connection's goroutine gets to run.
//
// # Goroutines
//
// No code of the user's runs where the connection does, so working on a message
// for minutes, in the loop body or elsewhere, costs no heartbeat. The exceptions are
// Trace and Mechanisms of Params.Client, and Recovery.Filter: they hold up the
// connection, and may run within any call, in the caller's goroutine. So they must
// return soon, call nothing of the connection, and take no lock that is held during
// calls. A panic of theirs costs the connection, which comes back like one that is lost.
//
// # Publishing
//
// Publish is for messages whose loss would do no harm, PublishConfirm for those that
// the broker must have, PublishDeferred for many of those by one goroutine:
// WithConfirmWindow bounds how many wait for their outcome. There are four: nil for a
// message that the broker has, ErrNacked, ErrUnroutable (with the message, if it was
// Mandatory) and ErrUnknownOutcome.
//
// All three wait while nothing can be sent: the connection is lost, the broker has
// a resource alarm on, MaxBuffered is reached. Nothing else waits for that.
// WithFailFast makes it an error, ErrBackpressure. Bodies of 16 KiB or more also wait
// while 256 KiB wait to be sent, unless WithFailFast is set: more would take memory and
// leave no sooner.
//
// # Consuming
//
// Consume is a loop over deliveries, ConsumeBatches one over slices of them, Handle
// has workers call a function for each. Leaving the loop cancels the consumer and
// gives back what was not seen. A delivery may be settled by any goroutine, long
// after the loop has gone on, once; WithMergedAcks has acks leave as one where they
// can.
//
// Each body has memory of its own, which for large ones costs more than all else:
// Consume.ReuseBodies lends bodies that a program is done with when it goes on.
//
// A loop that has other things to do as well sets Consume.Inactivity and is told
// ErrInactive whenever nothing came for that long. Nothing has to be called for
// heartbeats to be answered, and a program that only waits needs no more than
// time.Sleep. How many messages wait in a queue is in the answer to a passive
// QueueDeclare.
//
// # Requests and replies
//
// Conn.Caller makes requests and waits for their replies, by RabbitMQ's direct
// reply-to; Channel.Serve answers them.
//
// # Errors
//
// What the broker said is an *Error with its code: errors.Is(err,
// blocking.NotFound). Calls on what has ended match ErrClosed.
//
// # Loss and recovery
//
// A connection that is lost comes back by itself: at any of its endpoints, with
// pauses that grow, for as long as it takes, unless WithRecovery says otherwise.
// What was declared through it is declared again, channels are opened again in the
// modes that they were in, consumers go on inside the same loops. Only what was
// under way is told: ErrUnknownOutcome for publishes and requests that had no
// answer yet, ErrStaleDelivery for acks of deliveries that came before, which the
// broker delivers again, ErrTransactionLost for the commit of what was begun before.
// Everything else waits, as long as its context allows.
// WithEvents tells what happens.
//
// A channel that the broker closes over an error stays closed, unless
// Recovery.ReopenChannels has it opened again in the same way.
//
// # Topology
//
// A Topology is the exchanges, queues and bindings of a program as one value.
// Conn.Declare makes what is not there yet, and tells in a *DeclareError which
// argument of what is there differs.
//
// # Watching
//
// Nothing is logged unless WithLogger is given. Conn.Stats is counters and gauges
// in a plain struct, for whatever collects them. WithHooks has functions called
// around publishes, deliveries, settlements and requests: the module in otelamqp
// makes OpenTelemetry traces and metrics of them.
//
// # Coming from Pika
//
// What BlockingConnection and its channel have is here under these names.
//
//	process_data_events(time_limit)    nothing: heartbeats are answered meanwhile
//	sleep(duration)                    time.Sleep
//	call_later, remove_timeout         Conn.CallLater, Timer.Stop
//	add_callback_threadsafe            Conn.AddCallbackThreadsafe; acks need it no more
//	consume(inactivity_timeout=…)      Channel.Consume with Consume.Inactivity
//	cancel() and what it returns       leaving the loop; what was not seen goes back
//	get_waiting_message_count()        Stats.Inbox
//	start_consuming, stop_consuming    Channel.Handle, whose context ends it
//	UnroutableError, NackError         ErrUnroutable with the message, ErrNacked
//	add_on_return_callback             Channel.OnReturn, for what Publish sent
//	add_on_connection_blocked_callback WithEvents: Blocked, Unblocked; Conn.IsBlocked
//	update_secret                      Conn.UpdateSecret
//	basic_nack_supported and others    Conn.HasCapability, Conn.ServerProperties
//	frames_sent, bytes_received, …     Conn.Stats
//
// # Many publishers
//
// A Channel may be shared by any number of goroutines. A Pool shares several, on
// one or more connections, replaces those that the broker closes, and keeps
// consumers on a connection that never publishes.
package blocking
