package test

import (
	"maps"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/haypile/haypile/adapters/blocking"
	"github.com/haypile/haypile/core"
	"github.com/haypile/haypile/core/wire"
)

// everyType has a value of each type that a table may hold.
func everyType() blocking.Table {
	return blocking.Table{
		"bool": true, "int8": int8(-8), "uint8": uint8(200), "int16": int16(-1600), "uint16": uint16(60_000),
		"int32": int32(-1 << 31), "uint32": uint32(math.MaxUint32), "int64": int64(1) << 40,
		"float32": float32(1.5), "float64": math.Pi, "decimal": blocking.Decimal{Scale: 2, Value: -300},
		"string": "text", "not UTF-8": "\xff\x00", "empty": "", "bytes": []byte{0, 255},
		"time": time.Unix(1_700_000_000, 0).UTC(), "nil": nil,
		"array": []any{true, nil, int32(7), "s"}, "table": blocking.Table{"in": blocking.Table{"deep": 1.5}},
	}
}

// allProperties has a value of each property; that of priority is zero, which is
// not absent.
func allProperties() *blocking.Properties {
	return &blocking.Properties{
		Present:     wire.HasPriority,
		ContentType: "text/plain", ContentEncoding: "identity", DeliveryMode: blocking.Persistent,
		CorrelationID: "c", ReplyTo: "r", Expiration: "60000", MessageID: "m", Type: "t", UserID: "guest", AppID: "a", ClusterID: "x",
		Timestamp: time.Unix(1_700_000_000, 0).UTC(),
		Headers:   everyType(),
	}
}

func TestPropertiesComeBackAsSent(t *testing.T) {
	for name, sent := range map[string]*blocking.Properties{
		"all": allProperties(), "none": {}, "empty, not absent": {Present: wire.HasContentType | wire.HasHeaders | wire.HasMessageID},
	} {
		t.Run(name, func(t *testing.T) {
			ch := channel(t, dial(t, ""))
			q := queue(t, ch)
			publish(t, ch, &blocking.Publishing{RoutingKey: q, Properties: sent})
			raw, err := sent.Encode()
			if err != nil {
				t.Fatal(err)
			}
			got, err := fetch(t, ch, q).Properties.Decode()
			if err != nil {
				t.Fatal(err)
			}
			again, err := got.Encode() // sorts the headers, whose order brokers may change
			if err != nil || string(again) != string(raw) {
				t.Errorf("sent %+v\n got %+v, %v", sent, got, err)
			}
		})
	}
}

// To add its own headers, the broker decodes the table and encodes it anew.
func TestHeadersThatTheBrokerRewritesKeepTheirValues(t *testing.T) {
	ch := channel(t, dial(t, ""))
	from, to := deadLetters(t, ch, nil)
	sent := everyType()
	publish(t, ch, &blocking.Publishing{RoutingKey: from, Properties: &blocking.Properties{Headers: sent}})
	if err := take(t, ch, from).Nack(false); err != nil {
		t.Fatal(err)
	}
	got := headersOf(t, fetch(t, ch, to))
	maps.DeleteFunc(got, func(key string, _ any) bool { return strings.HasPrefix(key, "x-") })
	for key, value := range sent {
		if !reflect.DeepEqual(got[key], value) {
			t.Errorf("%s: sent %#v, got %#v", key, value, got[key])
		}
	}
	if len(got) != len(sent) {
		t.Errorf("%d headers arrived, not %d", len(got), len(sent))
	}
}

// settling is a channel that notes how publishes are settled.
type settling struct {
	failing
	acked    []uint64
	returned []uint64
	settled  func()
}

func (s *settling) OnConfirm(_ *core.Channel, cf core.Confirm) {
	for seq := cf.First; seq <= cf.Last; seq++ {
		s.acked = append(s.acked, seq)
	}
	s.settled()
}

func (s *settling) OnReturn(_ *core.Channel, r *core.Return) { s.returned = append(s.returned, r.Seq) }

func TestEachPublishIsSettledOnceByItsNumber(t *testing.T) {
	const total = 2000
	c := dialCallback(t, brokerURL(t), nil)
	s := &settling{}
	err := c.on(func(cc *core.Conn, done func(error)) {
		s.failing = failing{done: done}
		s.settled = func() {
			if len(s.acked) >= total {
				done(nil)
			}
		}
		ch, err := cc.OpenChannel(s)
		if err != nil {
			done(err)
			return
		}
		ch.ConfirmSelect(&wire.ConfirmSelect{}, nil)
		for n := uint64(1); n <= total; n++ {
			// Every tenth one comes back, and is confirmed, too.
			seq, err := ch.Publish(&core.Publishing{RoutingKey: "nowhere", Mandatory: n%10 == 0})
			if err != nil || seq != n {
				t.Errorf("publish %d got number %d, %v", n, seq, err)
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(s.acked)
	for i, seq := range s.acked {
		if seq != uint64(i+1) {
			t.Fatalf("the settled numbers are %v", s.acked)
		}
	}
	if len(s.returned) != total/10 || s.returned[0] != 10 || s.returned[len(s.returned)-1] != total {
		t.Errorf("%d came back: %v", len(s.returned), s.returned)
	}
}

func TestReturnOfAnEarlierMessageIsNotTakenForALaterOne(t *testing.T) {
	ch := channel(t, dial(t, ""))
	q := queue(t, ch)
	back := make(chan *blocking.Return, 1)
	ch.OnReturn(func(r *blocking.Return) { back <- r })
	if err := ch.Publish(testContext(t), &blocking.Publishing{RoutingKey: "nowhere", Mandatory: true, Body: []byte("first")}); err != nil {
		t.Fatal(err)
	}
	publish(t, ch, &blocking.Publishing{RoutingKey: q, Mandatory: true, Body: []byte("second")})
	if r := <-back; string(r.Body) != "first" {
		t.Errorf("%s came back", r.Body)
	}
	if d := fetch(t, ch, q); string(d.Body) != "second" {
		t.Errorf("%s arrived", d.Body)
	}
}

func TestNewSecretIsTakenWithoutAPauseInService(t *testing.T) {
	c := dialCallback(t, brokerURL(t), nil)
	for range 2 {
		err := c.on(func(cc *core.Conn, done func(error)) {
			if err := cc.UpdateSecret(wire.NewSecret("guest"), "for the test", done); err != nil {
				done(err)
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		c.works()
	}
}
