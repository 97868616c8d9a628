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
	var connections, queues, bindings []string
	for _, c := range s.Connections {
		connections = append(connections, fmt.Sprintf("%s\t%s\t%s\t%s\t%s\t%d", c.Name, c.ProvidedName, c.User, c.VirtualHost, c.State, len(c.Channels)))
	}
	for _, q := range s.Queues {
		queues = append(queues, fmt.Sprintf("%s\t%s\t%s\t%d\t%d\t%d", q.Name, q.Type, q.VirtualHost, q.Ready, q.Unacked, q.Consumers))
	}
	for _, b := range s.Bindings {
		if b.Source != "" {
			bindings = append(bindings, fmt.Sprintf("%s\t%s\t%s\t%s", b.Source, b.Destination, b.VirtualHost, b.RoutingKey))
		}
	}
	printTable(w, "connections", "CONNECTION\tCLIENT\tUSER\tVHOST\tSTATE\tCHANNELS", connections)
	printTable(w, "queues", "QUEUE\tTYPE\tVHOST\tREADY\tUNACKED\tCONSUMERS", queues)
	printTable(w, "bindings", "BINDING FROM\tTO\tVHOST\tKEY", bindings)
}

// printTable writes rows of cells with tabs between, or that there are none.
func printTable(w io.Writer, what, header string, rows []string) {
	if len(rows) == 0 {
		fmt.Fprintln(w, "no", what)
		return
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	defer t.Flush()
	for _, row := range append([]string{header}, rows...) {
		fmt.Fprintln(t, row)
	}
}
