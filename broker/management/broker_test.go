package management_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/haypile/haypile/adapters/blocking"
	"github.com/haypile/haypile/broker"
	"github.com/haypile/haypile/broker/management"
)

var _ management.Broker = (*broker.Broker)(nil)

func TestAnOperatorClosesAConnectionOfTheBroker(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	b, err := broker.Start()
	if err != nil {
		t.Fatal(err)
	}
	defer b.Stop(ctx)
	conn, err := blocking.Dial(ctx, b.URL(), blocking.WithName("shop"), blocking.WithRecovery(nil))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	h := management.New(b)
	links := get[[]object](t, h, "connections")
	if len(links) != 1 || links[0]["user_provided_name"] != "shop" {
		t.Fatalf("connections %v", links)
	}
	name := strings.NewReplacer(" ", "%20", ">", "%3E").Replace(links[0]["name"].(string))
	if a := ask(h, "DELETE", "/api/connections/"+name, "guest"); a.status != 204 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	<-conn.Done()
	if err := conn.Err(); err == nil || !strings.Contains(err.Error(), "Closed via management plugin") {
		t.Errorf("the client was told %v", err)
	}
}
