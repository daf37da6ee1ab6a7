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
}

// hostile would change the page if it became markup.
const hostile = `</script><img src=x onerror="document.title='broken'"><b>bold</b>`

// run runs the tasks. It sends the subject once they are there.
func (s *subject) run(ctx context.Context, begun chan<- *subject) error {
	s.loop, s.needle, s.block = asyncio.RunningLoop(ctx), &asyncio.Event{}, make(chan struct{})
	s.loop.Inspect(true)
	s.needle.SetName("end of the needle")
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
	if err := asyncio.Sleep(ctx, 0); err != nil {
		return err
	}
	begun <- s
	return never(ctx)
}

// open starts a subject, its page and a browser that shows the page.
func open(t *testing.T) (*subject, page) {
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Minute)
	t.Cleanup(cancel)
	b, err := browser.Start(ctx, 1100, 700)
	if errors.Is(err, browser.ErrNotFound) {
		t.Skip(err)
	}
	require.NoError(t, err)
	t.Cleanup(b.Close)

	begun, ended := make(chan *subject), make(chan struct{})
	loopCtx, stop := context.WithCancel(context.Background())
	go func() {
		defer close(ended)
		_, _ = asyncio.Run(loopCtx, asyncio.Do(func(ctx context.Context) error { return new(subject).run(ctx, begun) }))
	}()
	t.Cleanup(func() { stop(); <-ended })
	s := <-begun
	mux := http.NewServeMux()
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
	turns   = `document.querySelectorAll('#figures path')[1].getAttribute('d')`
)

func selectLoop(n int) string {
	return fmt.Sprintf(`{const s = document.querySelector('#loops select'); s.value = %d; s.dispatchEvent(new Event('change', {bubbles: true}));}`, n)
}

func TestThePageInABrowser(t *testing.T) {
	s, p := open(t)
	p.await(status + ` === 'live'`)
	p.await(bound + ` === 'The first 500 of 606 tasks that match, of 606 in all.'`)

	// A plot moves.
	p.await(turns + `?.split('L').length > 2`)
	before := p.text(turns)
	p.await(turns + ` !== ` + fmt.Sprintf("%q", before))

	// A name that would be markup is a text.
	p.await(names + `.includes(` + fmt.Sprintf("%q", hostile) + `)`)
	p.await(`!document.querySelector('img, #tree b') && document.title === 'asyncio: 606 tasks'`)

	// A task beyond the bound is found by its name, below the one that created it. All by keyboard.
	p.search("needle")
	p.await(`String(` + names + `) === 'Task-1,haystack,needle'`)
	assert.Equal(t, "1 of 606 tasks match.", p.text(bound))
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
	p.await(bound + ` === 'None of 605 tasks matches.'`)
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
	p.await(bound + ` === 'None of 604 tasks matches.'`)

	// A loop that is blocked is shown as such.
	p.do(s.loop.CallSoonThreadsafe(func() { <-s.block }))
	p.await(status + `.startsWith('blocked: the loop has not answered for')`)
	close(s.block)
	p.await(status + ` === 'live'`)

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

	// Another loop is shown, and the first again. A page that is paused does not follow it.
	p.do(p.Eval(selectLoop(1), nil))
	p.await(status + ` === 'not running'`)
	p.do(p.Eval(selectLoop(0), nil))
	p.await(status + ` === 'live'`)
	p.do(p.Eval(`document.getElementById('pause').click()`, nil))
	p.await(status + ` === 'paused' && stream === null`)

	// A table of other things than tasks.
	p.do(p.Eval(`showSections([{title: 'Queues', columns: ['Queue', 'Values'], rows: [['orders', 1000]], total: 2}])`, nil))
	assert.Equal(t, "Queues the first 1 of 2QueueValuesorders1,000", p.text(`document.getElementById('sections').textContent`))

	// The stack of a task that has ended is answered with 404, which the browser logs.
	complaints := slices.DeleteFunc(p.Complaints, func(c string) bool { return strings.Contains(c, `"source":"network"`) })
	assert.Empty(t, complaints)
	assert.True(t, s.victim.Done())
}
