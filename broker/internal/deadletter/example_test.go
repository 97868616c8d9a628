package deadletter_test

import (
	"fmt"
	"time"

	"github.com/haypile/haypile/broker/internal/deadletter"
	"github.com/haypile/haypile/broker/internal/queue"
)

func Example() {
	props, err := deadletter.Record(nil, deadletter.Death{
		Queue: "jobs", Reason: queue.Expired, Time: time.Unix(0, 0), RoutingKey: "jobs",
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	headers, _ := props.Headers()
	reason, _, _ := headers.Lookup("x-first-death-reason")
	fmt.Println(reason, deadletter.Cycle(props, "jobs"))
	// Output: expired true
}
