//go:build integration

package browser_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-asyncio/asyncio"
	"github.com/go-asyncio/asyncio/inspect"
	"github.com/go-asyncio/asyncio/integration/browser"
)

// A subject is a loop with the tasks that the page is to show.
type subject struct {
	loop   *asyncio.Loop
	needle *asyncio.Event // ends the task "needle"
	victim *asyncio.Task[asyncio.None]
	block  chan struct{} // a callback that receives from it blocks the loop
	server *asyncio.Server
	orders *asyncio.Queue[int]
}

// hostile would change the page if it became markup.
const hostile = `</script><img src=x onerror="document.title='broken'"><b>bold</b>`

// run runs the tasks. It sends the subject once they are there.
func (s *subject) run(ctx context.Context, begun chan<- *subject) error {
	s.loop, s.needle, s.block = asyncio.RunningLoop(ctx), &asyncio.Event{}, make(chan struct{})
	s.needle.SetName("end of the needle")
	s.orders = asyncio.NewQueue[int](5)
	s.orders.SetName("orders")
	spawn := func(name string, f func(context.Context) error) *asyncio.Task[asyncio.None] {
		return asyncio.CreateTask(ctx, asyncio.Do(f), asyncio.WithName(name))
	}
	never := func(ctx context.Context) error { return new(asyncio.Event).Wait(ctx) }
	s.victim = spawn("victim", never)
	spawn(hostile, never)
	spawn("ticker", func(ctx context.Context) error {
		for {
			if err := asyncio.Sleep(ctx, 10*time.Millisecond); err != nil {
				return err
			}
		}
	})
	spawn("haystack", func(ctx context.Context) error {
		for i := range 600 {
			asyncio.CreateTask(ctx, asyncio.Do(never), asyncio.WithName(fmt.Sprint("hay ", i)))
		}
		asyncio.CreateTask(ctx, asyncio.Do(s.needle.Wait), asyncio.WithName("needle"))
		return never(ctx)
	})
	if err := s.talk(ctx, never); err != nil {
		return err
	}
	begun <- s
	return never(ctx)
}

// talk starts a server, opens a connection to it, and sends some bytes that the server does not read.
func (s *subject) talk(ctx context.Context, never func(context.Context) error) (err error) {
	s.server, err = asyncio.StartServer(ctx, func(ctx context.Context, r *asyncio.StreamReader, _ *asyncio.StreamWriter) error {
		_, err := r.ReadExactly(ctx, 10_000)
		return err
	}, "127.0.0.1:0")
	if err != nil {
		return err
	}
	_, w, err := asyncio.OpenConnection(ctx, s.server.Addr().String())
	if err != nil {
		return err
	}
	_, err = w.Write(make([]byte, 1234))
	asyncio.CreateTask(ctx, asyncio.Do(func(ctx context.Context) error { defer w.Close(); return never(ctx) }), asyncio.WithName("client"))
	return err
}

// startBrowser starts a browser, or skips the test if there is none.
func startBrowser(t *testing.T) *browser.Browser {
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Minute)
	t.Cleanup(cancel)
	b, err := browser.Start(ctx, 1100, 700)
	if errors.Is(err, browser.ErrNotFound) {
		t.Skip(err)
	}
	require.NoError(t, err)
	t.Cleanup(b.Close)
	return b
}

// open starts a subject, its page and a browser that shows the page. Beside the page, which may cancel
// tasks, is another that may not.
func open(t *testing.T) (*subject, page) {
	b := startBrowser(t)
	begun, ended := make(chan *subject), make(chan struct{})
	loopCtx, stop := context.WithCancel(context.Background())
	go func() {
		defer close(ended)
		_, err := asyncio.Run(loopCtx, asyncio.Do(func(ctx context.Context) error { return new(subject).run(ctx, begun) }), asyncio.WithInspection())
		assert.ErrorIs(t, err, context.Canceled)
	}()
	t.Cleanup(func() { stop(); <-ended })
	var s *subject
	select {
	case s = <-begun:
	case <-ended:
		t.FailNow()
	}
	mux := http.NewServeMux()
	mux.Handle("/locked/", inspect.Handler(s.loop))
	mux.Handle("/debug/asyncio/", inspect.NewHandler([]*asyncio.Loop{s.loop, asyncio.NewLoop()}, inspect.WithCancel()))
	server := httptest.NewServer(mux)
	t.Cleanup(func() { server.CloseClientConnections(); server.Close() })
	p := page{t, b}
	p.do(b.Open(server.URL + "/debug/asyncio/"))
	return s, p
}

// A page is what the browser shows. Its methods end the test if they fail.
type page struct {
	t *testing.T
	*browser.Browser
}

func (p page) do(err error) {
	p.t.Helper()
	require.NoError(p.t, err)
}

// await waits until a condition holds.
func (p page) await(condition string) {
	p.t.Helper()
	p.do(p.Wait(condition))
}

// text returns the value of an expression.
func (p page) text(expression string) (s string) {
	p.t.Helper()
	p.do(p.Eval(expression, &s))
	return s
}

func (p page) press(keys ...string) {
	p.t.Helper()
	for _, key := range keys {
		p.do(p.Press(key))
	}
}

// search replaces the text of the search for names.
func (p page) search(name string) {
	p.t.Helper()
	p.do(p.Eval(`document.activeElement.blur()`, nil))
	p.press("/")
	p.do(p.Eval(`document.activeElement.select()`, nil))
	p.do(p.Type(name))
}

const (
	names   = `[...document.querySelectorAll('#tree tbody tr')].map(r => r.querySelector('bdi').textContent)`
	details = `document.getElementById('details').textContent`
	status  = `document.getElementById('status').textContent`
	bound   = `document.getElementById('bound').textContent`
	slow    = `document.getElementById('slow').textContent`
	turns   = `document.querySelectorAll('#figures path')[1].getAttribute('d')`
)

func selectLoop(n int) string {
	return fmt.Sprintf(`{const s = document.querySelector('#loops select'); s.value = %d; s.dispatchEvent(new Event('change', {bubbles: true}));}`, n)
}

// rowsOf returns an expression for the rows of a table, each as a text.
func rowsOf(title string) string {
	return `[...document.querySelectorAll('#sections section')].filter(s => s.textContent.startsWith('` + title +
		`')).flatMap(s => [...s.querySelectorAll('tbody tr')].map(r => [...r.cells].map(c => c.textContent).join('|')))`
}

//go:noinline
func receive(c chan struct{}) { <-c }

// onlyAsks checks that the page has asked its own server alone.
func (p page) onlyAsks() {
	p.t.Helper()
	origin := p.text("location.origin")
	assert.NotEmpty(p.t, p.Requests)
	for _, r := range p.Requests {
		if !strings.HasPrefix(r, "data:") {
			assert.True(p.t, strings.HasPrefix(r, origin+"/"), r)
		}
	}
}

func TestThePageInABrowser(t *testing.T) {
	s, p := open(t)
	p.await(status + ` === 'live'`)
	p.await(bound + ` === 'The first 500 of 608 tasks that match, of 608 in all.'`)

	// A plot moves.
	p.await(turns + `?.split('L').length > 2`)
	before := p.text(turns)
	p.await(turns + ` !== ` + fmt.Sprintf("%q", before))

	// A name that would be markup is a text.
	p.await(names + `.includes(` + fmt.Sprintf("%q", hostile) + `)`)
	p.await(`!document.querySelector('img, #tree b') && document.title === 'asyncio: 608 tasks'`)

	// A task beyond the bound is found by its name, below the one that created it. All by keyboard.
	p.search("needle")
	p.await(`String(` + names + `) === 'Task-1,haystack,needle'`)
	assert.Equal(t, "1 of 608 tasks match.", p.text(bound))
	p.do(p.Eval(`document.querySelector('#tree [tabindex="0"]').focus()`, nil))
	p.press("ArrowDown", "ArrowLeft")
	p.await(`String(` + names + `) === 'Task-1,haystack'`)
	p.press("ArrowRight", "ArrowDown", "Enter")

	// Its stack opens.
	p.await(details + `.includes('asyncio.(*Event).Wait')`)
	p.await(details + `.includes('Event "end of the needle"')`)
	p.await(details + `.includes('Created byhaystack')`)

	// It vanishes when it ends.
	p.do(s.loop.CallSoonThreadsafe(s.needle.Set))
	p.await(bound + ` === 'None of 607 tasks matches.'`)
	p.await(details + `.includes('the task has ended')`)
	p.press("Escape")
	p.await(`document.getElementById('details').hidden`)

	// A task is cancelled, after a second question.
	p.search("victim")
	p.await(`String(` + names + `) === 'Task-1,victim'`)
	p.do(p.Eval(`document.querySelector('#tree tbody tr:last-child').click()`, nil))
	p.await(`document.querySelector('#cancel button')`)
	p.do(p.Eval(`document.querySelector('#cancel button').click()`, nil))
	p.await(`document.querySelector('#cancel button').textContent === 'Really cancel?'`)
	p.do(p.Eval(`document.querySelector('#cancel button').click()`, nil))
	p.await(bound + ` === 'None of 606 tasks matches.'`)

	// A loop that is blocked is shown as such, with the step that blocks it and its stack.
	p.do(s.loop.CallSoonThreadsafe(func() { receive(s.block) }))
	p.await(status + `.startsWith('blocked: the loop has not answered for')`)
	p.await(slow + `.includes('and it goes on')`)
	p.await(`document.querySelector('#slow details').open && ` + slow + `.includes('browser_test.receive')`)
	close(s.block)
	p.await(status + ` === 'live'`)
	p.await(`!` + slow + `.includes('and it goes on')`)

	// Its stack stays, and folds.
	p.do(s.loop.CallSoonThreadsafe(func() { time.Sleep(300 * time.Millisecond) }))
	p.await(`document.querySelectorAll('#slow details').length === 2 && ` + slow + `.includes('time.Sleep')`)
	p.do(p.Eval(`window.fold = document.querySelector('#slow li:last-child details'); fold.firstChild.focus()`, nil))
	p.press("Enter")
	p.await(`!fold.open`)
	p.do(s.loop.CallSoonThreadsafe(func() { time.Sleep(300 * time.Millisecond) }))
	p.await(`document.querySelectorAll('#slow details').length === 3 && !fold.open && document.activeElement === fold.firstChild`)
	p.press("Enter")
	p.await(`fold.open`)

	// A click on what tasks wait for lists these tasks.
	p.search("")
	p.await(`document.querySelector('#groups button[title=sleep]')`)
	p.do(p.Eval(`document.querySelector('#groups button[title=sleep]').click()`, nil))
	p.await(`String(` + names + `) === 'Task-1,ticker'`)

	// A state that is chosen lists its tasks alone.
	p.do(p.Eval(`document.querySelector('#states input[value=created]').click()`, nil))
	p.await(bound + `.startsWith('None of ')`)
	p.do(p.Eval(`document.querySelector('#states input[value=created]').click()`, nil))
	p.await(`String(` + names + `) === 'Task-1,ticker'`)

	// Servers, streams and queues have tables, with a filter.
	p.do(s.loop.CallSoonThreadsafe(func() { _ = s.orders.PutNowait(1) }))
	p.await(rowsOf("Queues") + `.includes('orders|Queue|1|5|0|0|1|')`)
	p.await(rowsOf("Servers") + `.includes('tcp ` + s.server.Addr().String() + `|accepting|1||1')`)
	p.await(rowsOf("Streams") + `[0].startsWith('tcp|` + s.server.Addr().String() + `|127.0.0.1:')`)
	assert.Contains(t, p.text(`String(`+rowsOf("Streams")+`[0])`), "|1,234|0|1,234|0|")
	p.do(p.Eval(`document.querySelector('#rows input').focus()`, nil))
	p.do(p.Type("order"))
	p.await(`!document.querySelector('#sections').textContent.includes('Streams')`)
	p.await(rowsOf("Queues") + `.length === 1`)

	// Another loop is shown, and the first again. A page that is paused does not follow it.
	p.do(p.Eval(selectLoop(1), nil))
	p.await(status + ` === 'not running'`)
	p.do(p.Eval(selectLoop(0), nil))
	p.await(status + ` === 'live'`)
	p.do(p.Eval(`document.getElementById('pause').click()`, nil))
	p.await(status + ` === 'paused' && stream === null`)

	// The stack of a task that has ended is answered with 404, which the browser logs.
	p.onlyAsks()
	complaints := slices.DeleteFunc(p.Complaints, func(c string) bool { return strings.Contains(c, `"source":"network"`) })
	assert.Empty(t, complaints)
	assert.True(t, s.victim.Done())
}

// cancel returns the status with which the server answers a request of the page to cancel a task.
func (p page) cancel(id, token string) (status int) {
	p.t.Helper()
	p.do(p.Eval(fmt.Sprintf(`fetch('cancel', {method: 'POST', body: new URLSearchParams({task: %q, token: %s})}).then(r => r.status)`, id, token), &status))
	return status
}

func TestCancellingNeedsTheOptionAndTheToken(t *testing.T) {
	s, p := open(t)
	p.await(status + ` === 'live'`)
	p.search("victim")
	p.await(`String(` + names + `) === 'Task-1,victim'`)
	id := p.text(`String(document.querySelector('#tree tbody tr:last-child').row.id)`)
	assert.Equal(t, http.StatusForbidden, p.cancel(id, `''`))
	assert.Equal(t, http.StatusForbidden, p.cancel(id, `'WRONG'`))

	p.do(p.Open(p.text("location.origin") + "/locked/"))
	p.await(status + ` === 'live'`)
	p.search("victim")
	p.await(`String(` + names + `) === 'Task-1,victim'`)
	p.do(p.Eval(`document.querySelector('#tree tbody tr:last-child').click()`, nil))
	p.await(details + `.includes('asyncio.(*Event).Wait')`)
	assert.Equal(t, "null", p.text(`String(document.querySelector('#cancel'))`))
	assert.Equal(t, http.StatusNotFound, p.cancel(id, `''`))
	assert.Equal(t, "", p.text("token"))
	assert.False(t, s.victim.Done())
	p.onlyAsks()
}

func TestThePageIsLightOrDark(t *testing.T) {
	_, p := open(t)
	const paper = `getComputedStyle(document.body).backgroundColor`
	p.do(p.PreferDark(false))
	p.await(paper + ` === 'rgb(255, 255, 255)'`)
	p.do(p.PreferDark(true))
	p.await(paper + ` === 'rgb(20, 23, 26)'`)
}

func TestThePageIsUsableWithAHundredThousandTasks(t *testing.T) {
	b := startBrowser(t)
	const n = 100_000
	ctx, stop := context.WithCancel(context.Background())
	begun, ended := make(chan *asyncio.Loop, 1), make(chan struct{})
	var last asyncio.Event
	go func() {
		defer close(ended)
		_, _ = asyncio.Run(ctx, asyncio.Do(func(ctx context.Context) error {
			for i := range n {
				asyncio.CreateTask(ctx, asyncio.Do(new(asyncio.Event).Wait), asyncio.WithName(fmt.Sprint("number ", i)))
			}
			asyncio.CreateTask(ctx, asyncio.Do(last.Wait), asyncio.WithName("the last"))
			begun <- asyncio.RunningLoop(ctx)
			return new(asyncio.Event).Wait(ctx)
		}), asyncio.WithInspection())
	}()
	t.Cleanup(func() { stop(); <-ended })
	loop := <-begun
	server := httptest.NewServer(inspect.Handler(loop))
	t.Cleanup(func() { server.CloseClientConnections(); server.Close() })
	p := page{t, b}
	p.do(b.Open(server.URL))
	p.await(bound + ` === 'The first 500 of 100,002 tasks that match, of 100,002 in all.'`)
	p.await(`document.querySelectorAll('#tree tbody tr').length === 500`)
	p.search("the last")
	p.await(`String(` + names + `) === 'Task-1,the last'`)
	p.do(p.Eval(`document.querySelector('#tree [tabindex="0"]').focus()`, nil))
	p.press("ArrowDown", "Enter")
	p.await(details + `.includes('asyncio.(*Event).Wait')`)
	p.do(loop.CallSoonThreadsafe(last.Set))
	p.await(bound + ` === 'None of 100,001 tasks matches.'`)
	p.await(details + `.includes('the task has ended')`)
	p.search("number 99999")
	p.await(`String(` + names + `) === 'Task-1,number 99999'`)
	p.onlyAsks()
	assert.Empty(t, slices.DeleteFunc(p.Complaints, func(c string) bool { return strings.Contains(c, `"source":"network"`) }))
}
