package page

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"github.com/haypile/haypile/broker"
	"github.com/haypile/haypile/core"
	"github.com/haypile/haypile/core/wire"
	"github.com/haypile/haypile/internal/showcase"
)

func TestThePageShowsWhatTheBrokerHolds(t *testing.T) {
	w := open(t, nil)
	for _, c := range []struct{ table, head, want string }{
		{"queues", "kept", "kept | classic, durable | 48,210 | 0 |  | 0/s | 0/s | 0"},
		{"queues", "packing", "packing | quorum, durable | 170 | 0 |  | 0/s | 0/s | 0"},
		{"queues", "billing @ test", "billing @ test | classic, durable | 0 | 0 |  | 0/s | 0/s | 1"},
		{"exchanges", "orders", "orders | topic | durable | 0/s | 0/s"},
		{"exchanges", "(default)", "(default) | direct | durable | 0/s | 0/s"},
		{"connections", "billing · 127.0.0.1:40002", "billing · 127.0.0.1:40002 | haypile " + core.Version + ", TLS | guest | running | 2 | 0 B/s | 0 B/s"},
		{"channels", "127.0.0.1:40001 (1)", "127.0.0.1:40001 (1) | running | confirm |  | 0 | 2 | 0"},
		{"bindings", "by-country", `by-country | queue packing |  | {"country":"se","x-match":"all"}`},
	} {
		if got := strings.ReplaceAll(evaluate[string](w, row(c.table, c.head)), "| – |", "|  |"); got != c.want {
			t.Errorf("%s: %s\nwant %s", c.table, got, c.want)
		}
	}
	tiles := w.text("#tiles")
	for _, want := range []string{"48,395", "48,383 ready, 12 unacked", "1,200 so far, 3 returned", "4 channels, 3 consumers", "5.0 MiB"} {
		if !strings.Contains(tiles, want) {
			t.Errorf("the overview has no %q:\n%s", want, tiles)
		}
	}
	about := w.text("#about")
	if want := "haypile@localhost · as RabbitMQ 4.1.0 · up 1 h 0 min"; about != want {
		t.Errorf("about: %q, want %q", about, want)
	}
	nodes := evaluate[[]string](w, `[...document.querySelectorAll("#graph .node")].map((n) => n.getAttribute("aria-label"))`)
	for _, want := range []string{"exchange orders, topic", "exchange archive, fanout", "queue kept, classic", "exchange (default), direct"} {
		if !strings.Contains(strings.Join(nodes, "\n"), want) {
			t.Errorf("the picture has no %q: %q", want, nodes)
		}
	}
	labels := evaluate[string](w, `[...document.querySelectorAll("#graph .edge text")].map((n) => n.lastChild.textContent).join("\n")`)
	if !strings.Contains(labels, "order.paid.*, order.refunded") {
		t.Errorf("the keys of two bindings are not on one edge:\n%s", labels)
	}
}

func TestThePageFollowsTheBroker(t *testing.T) {
	w := open(t, nil)
	w.broker.Change(func(s *broker.State) {
		s.Queue("/", "packing").Ready = 171
		s.Queues = append(s.Queues, broker.QueueState{VirtualHost: "/", Name: "fresh", Type: "classic", Ready: 5})
		s.Connections = s.Connections[:2]
	})
	w.await("the new queue has come", row("queues", "fresh")+`.startsWith("fresh | classic | 5")`)
	w.await("the depth has changed", row("queues", "packing")+`.includes("| 171 |")`)
	w.await("the new queue is in the picture", `document.querySelector("#graph [aria-label='queue fresh, classic'] .depth").textContent === "5"`)
	w.await("the closed connection is gone", `document.querySelectorAll("#connections-table tbody tr").length === 2`)

	w.broker.Change(func(s *broker.State) { s.Queues = s.Queues[:1] })
	w.await("the deleted queues are gone", `document.querySelectorAll("#queues-table tbody tr").length === 1`)
	w.broker.Change(func(s *broker.State) { s.Queues, s.Bindings, s.Connections, s.Consumers = nil, nil, nil, nil })
	w.await("there is nothing left", `document.querySelector("#queues-table tbody").textContent === "no queues" && document.querySelector("#graph").textContent === "no bindings and no queues"`)
}

func TestThePictureHoldsCircles(t *testing.T) {
	w := open(t, func(b *showcase.Broker) {
		b.Change(func(s *broker.State) {
			for _, pair := range [][2]string{{"archive", "orders"}, {"by-country", "by-country"}, {"by-country", "archive"}, {"archive", "by-country"}} {
				s.Bindings = append(s.Bindings, broker.BindingState{VirtualHost: "/", Source: pair[0], Destination: pair[1], ToExchange: true, RoutingKey: "back"})
			}
		})
	})
	if lines := evaluate[int](w, `document.querySelectorAll("#graph .edge").length`); lines != 11 {
		t.Errorf("%d lines, want 11", lines)
	}
	if broken := evaluate[int](w, `[...document.querySelectorAll("#graph [d]")].filter((p) => p.getAttribute("d").includes("NaN")).length`); broken > 0 {
		t.Errorf("%d lines go nowhere", broken)
	}
}

func TestManyLinksShowTheirKeysOnDemand(t *testing.T) {
	w := open(t, func(b *showcase.Broker) {
		b.Change(func(s *broker.State) {
			for i := range 30 {
				s.Bindings = append(s.Bindings, broker.BindingState{VirtualHost: "/", Source: "orders", Destination: fmt.Sprint("q", i), RoutingKey: "key"})
			}
		})
	})
	const shown = `[...document.querySelectorAll("#graph .edge text")].filter((l) => getComputedStyle(l).display !== "none").length`
	if n := evaluate[int](w, shown); n > 0 {
		t.Errorf("%d keys over each other", n)
	}
	w.run(chromedp.Evaluate(`document.querySelector("#graph [aria-label='queue q7, queue']").focus()`, nil))
	if n := evaluate[int](w, shown); n != 1 {
		t.Errorf("%d keys of the queue in focus", n)
	}
}

func TestRatesFollowTheCounters(t *testing.T) {
	w := open(t, nil)
	// A rate shows for as long as one snapshot, so the page looks at each by itself.
	w.run(chromedp.Evaluate(`new MutationObserver(() => { window.came ||= !`+row("queues", "packing")+`.includes("| 0/s | 0/s |"); }).observe(document.getElementById("queues-table"), {subtree: true, childList: true})`, nil))
	w.broker.Change(func(s *broker.State) { s.Queue("/", "packing").Totals.Published += 1000 })
	w.await("messages come in", `window.came`)
	w.await("the minute has a line", `document.querySelector("#queues-table .spark path:not(.area)").getAttribute("d").includes("L")`)
}

func TestNamesOfClientsAreOnlyText(t *testing.T) {
	const image, script = `<img src=x onerror="window.hacked=1">`, `"></text><script>window.hacked=1</script>`
	long := strings.Repeat("ш", 120)
	w := open(t, func(b *showcase.Broker) {
		b.Change(func(s *broker.State) {
			for _, name := range []string{image, script, long, "__proto__", "\u202eevil", "' onmouseover='x"} {
				s.Queues = append(s.Queues, broker.QueueState{VirtualHost: "/", Name: name, Type: "classic", Arguments: wire.Table{name: name}})
				s.Exchanges = append(s.Exchanges, broker.ExchangeState{VirtualHost: "/", Name: name, Type: "topic"})
				s.Bindings = append(s.Bindings, broker.BindingState{VirtualHost: "/", Source: name, Destination: name, RoutingKey: name, Arguments: wire.Table{"__proto__": name}})
			}
			c := &s.Connections[0]
			c.ProvidedName, c.User, c.Properties = image, script, wire.Table{"product": script, "version": wire.Table{"__proto__": image}}
		})
	})
	for _, name := range []string{image, script, long, "__proto__", "\u202eevil"} {
		w.await("a row for "+name, row("queues", name)+` !== "none"`)
		w.await("a row for "+name, row("exchanges", name)+` !== "none"`)
	}
	w.await("some edges", `document.querySelectorAll("#graph .edge text").length > 5`)
	if evaluate[bool](w, `window.hacked !== undefined || document.querySelectorAll("img, script").length !== 2`) {
		t.Error("a name became part of the page")
	}
}

func TestThePageTellsThatTheBrokerIsAway(t *testing.T) {
	w := open(t, nil)
	w.down.Store("down", true)
	w.await("it says so", `document.getElementById("status").textContent === "no answer"`)
	w.down.Delete("down")
	w.await("it goes on", `document.getElementById("status").textContent === "live"`)
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.complaints {
		if !strings.Contains(c, "503") {
			t.Errorf("the browser complains: %s", c)
		}
	}
	w.complaints = nil
}

func TestTheFilterFindsWhatIsNotShown(t *testing.T) {
	w := open(t, func(b *showcase.Broker) {
		b.Change(func(s *broker.State) {
			for i := range 5000 {
				s.Queues = append(s.Queues, broker.QueueState{VirtualHost: "/", Name: fmt.Sprintf("q-%04d", i), Type: "classic"})
			}
		})
	})
	w.await("some are shown", `document.querySelectorAll("#queues-table tbody tr").length === 100 && document.getElementById("queues-count").textContent === "the first 100 of 5,005"`)
	w.run(chromedp.SendKeys("#filter", "Q-4321"))
	w.await("the one asked for", row("queues", "q-4321")+` !== "none" && document.getElementById("queues-count").textContent === "1"`)
}

func TestPauseHoldsThePage(t *testing.T) {
	w := open(t, nil)
	w.run(chromedp.Focus("#pause"), chromedp.KeyEvent("\r"))
	w.await("it says so", `document.getElementById("status").textContent === "paused"`)
	w.broker.Change(func(s *broker.State) { s.Queue("/", "packing").Ready = 171 })
	w.run(chromedp.Evaluate(`window.before = `+row("queues", "packing"), nil), chromedp.Focus("#pause"), chromedp.KeyEvent("\r"))
	if before := evaluate[string](w, "window.before"); !strings.Contains(before, "| 170 |") {
		t.Errorf("while paused: %s", before)
	}
	w.await("it goes on", row("queues", "packing")+`.includes("| 171 |")`)
}

func TestPauseHoldsThePageAgainstAnAnswerUnderWay(t *testing.T) {
	w := open(t, nil)
	w.run(chromedp.Evaluate(`window.fetch = ((ask) => async (...what) => {
		await new Promise((go) => { window.go = go; });
		return ask(...what).finally(() => { window.answered = true; });
	})(window.fetch); 0`, nil))
	w.await("the page asks", `window.go !== undefined`)
	w.run(chromedp.Focus("#pause"), chromedp.KeyEvent("\r"))
	w.await("it says so", `document.getElementById("status").textContent === "paused"`)
	w.broker.Change(func(s *broker.State) { s.Queue("/", "packing").Ready = 171 })
	w.run(chromedp.Evaluate(`window.go()`, nil))
	w.await("the answer is there, or not wanted", `window.answered`)
	w.painted()
	if got := evaluate[string](w, row("queues", "packing")); !strings.Contains(got, "| 170 |") {
		t.Errorf("while paused: %s", got)
	}
}

func TestNumbersMoveNothing(t *testing.T) {
	w := open(t, nil)
	w.painted()
	w.run(chromedp.Evaluate(`window.shifts = []; new PerformanceObserver((l) => window.shifts.push(...l.getEntries().map((e) => e.value))).observe({type: "layout-shift"})`, nil))
	for _, n := range []int{9, 1234567, 0} {
		w.broker.Change(func(s *broker.State) {
			s.Queue("/", "packing").Ready = n
			s.Totals.Published += uint64(n)
		})
		w.await("the number has come", fmt.Sprintf(`document.querySelector("#graph [aria-label='queue packing, quorum'] .depth").textContent === %q`, map[int]string{9: "9", 1234567: "1.23M", 0: "0"}[n]))
	}
	if shifts := evaluate[[]float64](w, "window.shifts"); len(shifts) > 0 {
		t.Errorf("the layout moved: %v", shifts)
	}
}

// contrast is the texts whose colour is too near to what is behind them, by WCAG
// 2.2's level AA.
const contrast = `(() => {
	const parse = (c) => { const v = c.match(/[\d.]+/g).map(Number); return { rgb: v.slice(0, 3), alpha: v[3] ?? 1 }; };
	const light = ({ rgb }) => rgb.map((v) => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4).reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
	const behind = (e) => {
		for (; e; e = e.parentElement) {
			const rect = e.matches("g.node") && e.querySelector("rect");
			const c = parse(rect ? getComputedStyle(rect).fill : getComputedStyle(e).backgroundColor);
			if (c.alpha === 1) return c;
		}
		return parse("rgb(255, 255, 255)");
	};
	return [...document.querySelectorAll("body *")].filter((e) => e.getClientRects().length && [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim())).map((e) => {
		const style = getComputedStyle(e);
		const a = light(parse(e.closest("svg") ? style.fill : style.color)), b = light(behind(e));
		return [(Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05), e.tagName + "." + e.getAttribute("class") + ": " + e.textContent];
	}).filter(([ratio]) => ratio < 4.5).map(([ratio, e]) => ratio.toFixed(2) + " " + e);
})()`

func TestThePageReadsWell(t *testing.T) {
	w := open(t, nil)
	if os.Getenv("PAGE_SCREENSHOTS") != "" {
		live(w)
	}
	for _, scheme := range []string{"light", "dark"} {
		for name, width := range map[string]int64{"desk": 1280, "tablet": 820, "small tablet": 650, "phone": 360} {
			t.Run(scheme+" on a "+name, func(t *testing.T) {
				media := []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}
				w.run(chromedp.EmulateViewport(width, 900), emulation.SetEmulatedMedia().WithFeatures(media))
				if wide := evaluate[int64](w, "document.documentElement.scrollWidth"); wide > width {
					t.Errorf("the page is %d wide", wide)
				}
				if narrow := evaluate[[]string](w, `[...document.querySelectorAll("thead th:first-child")].filter((h) => h.getClientRects().length && h.clientWidth < 90).map((h) => h.textContent + " " + h.clientWidth)`); len(narrow) > 0 {
					t.Errorf("no room for names: %q", narrow)
				}
				if faint := evaluate[[]string](w, contrast); len(faint) > 0 {
					t.Errorf("faint texts:\n%s", strings.Join(faint, "\n"))
				}
				keep(t, w, scheme+"-"+name+".png")
			})
		}
	}
}

// live has the broker do something for a while, for the pictures.
func live(w *window) {
	for i := range 20 {
		w.broker.Change(func(s *broker.State) {
			packing, billing := s.Queue("/", "packing"), s.Queue("/", "billing")
			packing.Ready += 40 - 9*(i%8)
			packing.Totals.Published += 120
			billing.Unacked = 12 + i*i%7
			billing.Totals.Delivered += uint64(150 + 20*(i%5))
			s.Totals.Published += uint64(800 + 90*(i%6))
			s.Totals.Delivered += uint64(700 + 60*(i%7))
			s.Connections[0].Traffic.BytesReceived += 120 << 10
		})
		w.run(chromedp.Sleep(time.Second))
	}
}

// keep saves a screenshot where PAGE_SCREENSHOTS says, for people to look at.
func keep(t *testing.T, w *window, name string) {
	dir := os.Getenv("PAGE_SCREENSHOTS")
	if dir == "" {
		return
	}
	var picture []byte
	w.run(chromedp.FullScreenshot(&picture, 100))
	if err := os.WriteFile(filepath.Join(dir, name), picture, 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestEverythingHasANameForThoseWhoCannotSeeIt(t *testing.T) {
	w := open(t, nil)
	nameless := evaluate[[]string](w, `[...document.querySelectorAll("input, button, a, [tabindex='0'], table, section, img")].filter((e) =>
		!(e.getAttribute("aria-label") ?? e.getAttribute("alt") ?? document.getElementById(e.getAttribute("aria-labelledby"))?.textContent ?? e.labels?.[0]?.textContent ?? e.textContent).trim() && e.getAttribute("alt") !== "").map((e) => e.outerHTML.slice(0, 80))`)
	if len(nameless) > 0 {
		t.Errorf("without a name: %q", nameless)
	}
	w.run(chromedp.KeyEvent("\t"))
	if got := evaluate[string](w, "document.activeElement.textContent"); got != "Skip to the queues" {
		t.Errorf("the first stop of the keyboard is %q", got)
	}
}
