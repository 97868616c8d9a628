package main

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/haypile/haypile/broker"
)

// printState writes what the broker holds, as rabbitmqctl lists it.
func printState(w io.Writer, s broker.State) {
	fmt.Fprintf(w, "up for %s, %d bytes of messages, published %d, delivered %d, acked %d\n",
		s.Uptime().Round(time.Second), s.Memory, s.Totals.Published, s.Totals.Delivered+s.Totals.DeliveredNoAck, s.Totals.Acked)
	if s.MemoryAlarm {
		fmt.Fprintln(w, "publishers are blocked")
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	defer t.Flush()
	fmt.Fprintf(t, "CONNECTION\tCLIENT\tUSER\tVHOST\tSTATE\tCHANNELS\n")
	for _, c := range s.Connections {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%d\n", c.Name, c.ProvidedName, c.User, c.VirtualHost, c.State, len(c.Channels))
	}
	t.Flush()
	fmt.Fprintf(t, "QUEUE\tTYPE\tVHOST\tREADY\tUNACKED\tCONSUMERS\n")
	for _, q := range s.Queues {
		fmt.Fprintf(t, "%s\t%s\t%s\t%d\t%d\t%d\n", q.Name, q.Type, q.VirtualHost, q.Ready, q.Unacked, q.Consumers)
	}
	t.Flush()
	fmt.Fprintf(t, "BINDING FROM\tTO\tVHOST\tKEY\n")
	for _, b := range s.Bindings {
		if b.Source != "" {
			fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", b.Source, b.Destination, b.VirtualHost, b.RoutingKey)
		}
	}
}
