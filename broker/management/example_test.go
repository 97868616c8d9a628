package management_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/haypile/haypile/broker/management"
	"github.com/haypile/haypile/internal/showcase"
)

// The handler runs on any HTTP server; what it answers, RabbitMQ's tools can read.
func ExampleNew() {
	b := showcase.New() // a *broker.Broker in your program
	server := httptest.NewServer(management.New(b))
	defer server.Close()

	request, _ := http.NewRequest("GET", server.URL+"/api/queues/%2F?columns=name,messages", nil)
	request.SetBasicAuth("guest", "guest")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer response.Body.Close()
	var queues []struct {
		Name     string
		Messages int
	}
	if err := json.NewDecoder(response.Body).Decode(&queues); err != nil {
		fmt.Println(err)
		return
	}
	for _, q := range queues {
		fmt.Println(q.Name, q.Messages)
	}
	// Output:
	// amq.gen-JzTY20BRgKO-HjmUJj0wLg 0
	// billing 15
	// kept 48210
	// packing 170
}
