package rabbitmq

import (
	"crypto/rand"
	"fmt"
	"slices"
	"sync"
	"testing"
)

// StartCluster starts that many nodes as one cluster for the test and removes
// them when it ends. Each can be stopped, killed and started again by itself. It
// fails the test when there is no RabbitMQ, or a node does not come up.
func StartCluster(t testing.TB, size int, opts ...Option) []*Node {
	t.Helper()
	member := func(cookie string, first *Node) []Option { return append(slices.Clone(opts), memberOf(cookie, first)) }
	first := Start(t, member(rand.Text(), nil)...)
	nodes := make([]*Node, size)
	nodes[0] = first
	errs := make([]error, size)
	var wg sync.WaitGroup
	for i := 1; i < size; i++ {
		wg.Go(func() { nodes[i], errs[i] = New(member(first.cookie, first)...) })
	}
	wg.Wait()
	for i, n := range nodes[1:] {
		if n != nil {
			n.removeAfter(t)
		}
		if err := errs[i+1]; err != nil {
			t.Error(err)
		}
	}
	if t.Failed() {
		t.FailNow()
	}
	return nodes
}

// memberOf has a node share the cookie and the port mapper of its cluster, and join
// the first node when it starts with no data.
// https://www.rabbitmq.com/docs/cluster-formation
func memberOf(cookie string, first *Node) Option {
	return func(n *Node) {
		n.cookie, n.first = cookie, first
		if first != nil {
			n.config = append(n.config,
				"cluster_formation.peer_discovery_backend = classic_config",
				fmt.Sprintf("cluster_formation.classic_config.nodes.1 = %s", first.Name),
			)
		}
	}
}
