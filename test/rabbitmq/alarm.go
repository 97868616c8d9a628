package rabbitmq

import (
	"context"
	"fmt"
)

// MemoryAlarm raises the alarm of low memory, which blocks connections that
// publish, or ends it. When it returns, the node has told all its connections: what
// one publishes then, it publishes under the alarm.
// https://www.rabbitmq.com/docs/alarms
func (n *Node) MemoryAlarm(ctx context.Context, on bool) error {
	watermark := "0.4"
	if on {
		watermark = "0.0000001"
	}
	// The monitor only notes that there is an alarm. Who answers the question for
	// alarms has told of those that were noted.
	_, err := n.Eval(ctx, fmt.Sprintf("vm_memory_monitor:set_vm_memory_high_watermark(%s), rabbit_alarm:get_alarms().", watermark))
	return err
}
