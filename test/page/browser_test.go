package page

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/haypile/haypile/broker/management"
	"github.com/haypile/haypile/internal/showcase"
)

// patience bounds every wait, for machines with much else to do.
const patience = time.Minute

// browser is the Chromium that all tests share; each has a window of its own.
var browser context.Context

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.NoSandbox, chromedp.WSURLReadTimeout(patience))
	allocator, end := chromedp.NewExecAllocator(context.Background(), options...)
	defer end()
	var close context.CancelFunc
	browser, close = chromedp.NewContext(allocator)
	defer close()
	if err := chromedp.Run(browser); err != nil {
		fmt.Fprintln(os.Stderr, "no Chromium to test with: run test/run, or install the package chromium:", err)
		return 1
	}
	return m.Run()
}

// window is a window of the browser that shows a broker's page.
type window struct {
	t      *testing.T
	ctx    context.Context
	broker *showcase.Broker
	down   sync.Map // has "down" while the broker's server refuses to answer

	mu         sync.Mutex
	complaints []string
}

// open opens the page of a broker that the test may have changed first. At the
// end, the browser must have had nothing to complain about.
func open(t *testing.T, change func(b *showcase.Broker)) *window {
	t.Helper()
	w := &window{t: t, broker: showcase.New()}
	if change != nil {
		change(w.broker)
	}
	page := management.New(w.broker)
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if _, down := w.down.Load("down"); down {
			http.Error(rw, "down", http.StatusServiceUnavailable)
			return
		}
		page.ServeHTTP(rw, r)
	}))
	t.Cleanup(server.Close)
	ctx, closeWindow := chromedp.NewContext(browser)
	t.Cleanup(closeWindow)
	ctx, stop := context.WithTimeout(ctx, 3*patience)
	t.Cleanup(stop)
	w.ctx = ctx
	chromedp.ListenTarget(ctx, w.listen)
	t.Cleanup(func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		for _, c := range w.complaints {
			t.Errorf("the browser complains: %s", c)
		}
	})
	w.run(log.Enable(), chromedp.Navigate("http://guest:guest@"+strings.TrimPrefix(server.URL, "http://")+"/"))
	w.await("the page is live", `document.getElementById("status").textContent === "live"`)
	return w
}

// listen gathers errors on the console, exceptions, and what the policy forbade.
func (w *window) listen(event any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		w.complaints = append(w.complaints, e.ExceptionDetails.Error())
	case *runtime.EventConsoleAPICalled:
		w.complaints = append(w.complaints, fmt.Sprintf("console.%s called", e.Type))
	case *log.EventEntryAdded:
		if e.Entry.Level == log.LevelError || e.Entry.Level == log.LevelWarning {
			w.complaints = append(w.complaints, e.Entry.Text+" "+e.Entry.URL)
		}
	}
}

func (w *window) run(actions ...chromedp.Action) {
	w.t.Helper()
	if err := chromedp.Run(w.ctx, actions...); err != nil {
		w.t.Fatal(err)
	}
}

// await waits until an expression of JavaScript is true.
func (w *window) await(what, expression string) {
	w.t.Helper()
	err := chromedp.Run(w.ctx, chromedp.Poll(expression, nil, chromedp.WithPollingTimeout(patience), chromedp.WithPollingInterval(50*time.Millisecond)))
	if errors.Is(err, chromedp.ErrPollingTimeout) {
		w.t.Fatalf("not so within %s: %s\n%s", patience, what, w.text("main"))
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

// painted waits until what the page has now is on the screen.
func (w *window) painted() {
	w.t.Helper()
	frames := `new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done())))`
	w.run(chromedp.Evaluate(frames, nil, func(p *runtime.EvaluateParams) *runtime.EvaluateParams { return p.WithAwaitPromise(true) }))
}

// evaluate is the value of an expression of JavaScript.
func evaluate[T any](w *window, expression string) T {
	w.t.Helper()
	var value T
	w.run(chromedp.Evaluate(expression, &value))
	return value
}

// text is what an element shows.
func (w *window) text(selector string) string {
	w.t.Helper()
	return evaluate[string](w, fmt.Sprintf("document.querySelector(%q).innerText", selector))
}

// row is an expression for the cells' texts in the row of a table that begins so.
func row(table, head string) string {
	return fmt.Sprintf(`([...document.querySelectorAll("#%s-table tbody tr")].filter((r) => r.cells[0].textContent === %q).map((r) => [...r.cells].map((c) => c.textContent).join(" | "))[0] ?? "none")`, table, head)
}
