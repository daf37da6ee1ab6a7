package inspect_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-asyncio/asyncio"
	"github.com/go-asyncio/asyncio/inspect"
)

func TestThePageIsOneFileWithAPolicyThatFitsIt(t *testing.T) {
	w := get(t, inspect.Handler(asyncio.NewLoop()), "")
	assert.Equal(t, http.StatusOK, w.Code)
	assert.Equal(t, "text/html; charset=utf-8", w.Header().Get("Content-Type"))
	assert.Equal(t, "no-store", w.Header().Get("Cache-Control"))
	assert.Equal(t, "nosniff", w.Header().Get("X-Content-Type-Options"))
	policy := w.Header().Get("Content-Security-Policy")
	assert.Contains(t, policy, "default-src 'none'; connect-src 'self';")
	assert.Contains(t, policy, "script-src 'sha256-")
	assert.NotContains(t, policy, "unsafe")

	page := w.Body.String()
	assert.NotRegexp(t, `(src|href)="[^"]*//`, page, "it loads nothing from elsewhere")
	assert.NotRegexp(t, ` on\w+="| style="|innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(`, page)
	assert.Contains(t, page, `<meta name="loops" content="1">`)
	assert.NotContains(t, page, "{{")
}

func TestTheHandlerWorksUnderAnyPrefix(t *testing.T) {
	loop := asyncio.NewLoop()
	for name, mount := range map[string]http.Handler{
		"as it is": inspect.Handler(loop),
		"stripped": http.StripPrefix("/debug/asyncio", inspect.Handler(loop)),
		"emptied":  http.StripPrefix("/debug/asyncio/", inspect.Handler(loop)),
	} {
		assert.Contains(t, get(t, mount, "").Body.String(), "<!DOCTYPE html>", name)
		assert.Contains(t, get(t, mount, "tasks").Body.String(), `"not running"`, name)
	}
}

func TestBadRequestsAreRefused(t *testing.T) {
	withLoop(t, forever, func(t *testing.T, loop *asyncio.Loop) {
		h := inspect.Handler(loop)
		for _, test := range []struct {
			method, target string
			status         int
		}{
			{"GET", "nothing", http.StatusNotFound},
			{"GET", "tasks?loop=1", http.StatusNotFound},
			{"GET", "tasks?loop=-1", http.StatusNotFound},
			{"GET", "events?loop=x", http.StatusNotFound},
			{"GET", "tasks?order=sideways", http.StatusBadRequest},
			{"GET", "tasks?state=waiting&state=asleep", http.StatusBadRequest},
			{"GET", "tasks?limit=0", http.StatusBadRequest},
			{"GET", "tasks?limit=501", http.StatusBadRequest},
			{"GET", "tasks?limit=many", http.StatusBadRequest},
			{"GET", "tasks?name=" + strings.Repeat("x", 201), http.StatusBadRequest},
			{"GET", "events?waits=" + strings.Repeat("x", 201), http.StatusBadRequest},
			{"GET", "stack", http.StatusBadRequest},
			{"GET", "stack?task=one", http.StatusBadRequest},
			{"GET", "stack?task=12345", http.StatusNotFound},
			{"POST", "", http.StatusMethodNotAllowed},
			{"DELETE", "tasks", http.StatusMethodNotAllowed},
			{"HEA", "tasks", http.StatusMethodNotAllowed},
			{"GET", "cancel", http.StatusNotFound},
			{"POST", "cancel?task=2", http.StatusNotFound}, // without WithCancel
		} {
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), test.method, "/debug/asyncio/"+test.target, nil))
			assert.Equal(t, test.status, w.Code, "%s %s", test.method, test.target)
			assert.NotEmpty(t, w.Body.String())
			if test.status == http.StatusMethodNotAllowed {
				assert.Equal(t, "GET, HEAD", w.Header().Get("Allow"))
			}
		}
	})
}

// HEAD needs a server, which leaves out the body.
func TestHeadIsAnsweredAtOnce(t *testing.T) {
	server := httptest.NewServer(inspect.Handler(asyncio.NewLoop()))
	defer server.Close()
	for path, contents := range map[string]string{
		"/": "text/html; charset=utf-8", "/tasks": "application/json", "/events": "text/event-stream", "/dump": "text/plain; charset=utf-8",
	} {
		r, err := http.Head(server.URL + path)
		require.NoError(t, err)
		require.NoError(t, r.Body.Close())
		assert.Equal(t, http.StatusOK, r.StatusCode)
		assert.Equal(t, contents, r.Header.Get("Content-Type"))
	}
}

func TestAHandlerOfSeveralLoopsShowsEach(t *testing.T) {
	withLoop(t, forever, func(t *testing.T, loop *asyncio.Loop) {
		h := inspect.Handler(asyncio.NewLoop(), loop)
		assert.Equal(t, "not running", getJSON[answer](t, h, "tasks").State)
		assert.Equal(t, "running", getJSON[answer](t, h, "tasks?loop=1").State)
		assert.Contains(t, get(t, h, "").Body.String(), `<meta name="loops" content="2">`)
	})
	assert.Equal(t, http.StatusOK, get(t, inspect.Handler(), "").Code, "a page without loops")
	assert.Equal(t, http.StatusNotFound, get(t, inspect.Handler(), "tasks").Code)
}

func TestNilIsRefused(t *testing.T) {
	assert.PanicsWithValue(t, "inspect: nil loop", func() { inspect.Handler(nil) })
	assert.PanicsWithValue(t, "inspect: nil option", func() { inspect.NewHandler(nil, nil) })
	assert.PanicsWithValue(t, "inspect: nil signal", func() { inspect.DumpOnSignal(nil, io.Discard) })
	assert.PanicsWithValue(t, "inspect: nil writer", func() { inspect.DumpOnSignal(os.Interrupt, nil) })
	assert.PanicsWithValue(t, "inspect: nil loop", func() { inspect.DumpOnSignal(os.Interrupt, io.Discard, nil) })
	assert.PanicsWithValue(t, "inspect: nil loop", func() { _ = inspect.Dump(nil, io.Discard) })
}

// cancelForm returns the form of a request to cancel a task, with the token of the handler's page.
func cancelForm(t *testing.T, h http.Handler, task string) url.Values {
	t.Helper()
	token := regexp.MustCompile(`name="token" content="(\w+)"`).FindStringSubmatch(get(t, h, "").Body.String())
	require.NotNil(t, token)
	return url.Values{"loop": {"0"}, "task": {task}, "token": {token[1]}}
}

func TestThePageMayCancelATaskIfAllowed(t *testing.T) {
	var victim *asyncio.Task[asyncio.None]
	withLoop(t, func(ctx context.Context) error {
		victim = spawn(ctx, "victim", forever)
		return forever(ctx)
	}, func(t *testing.T, loop *asyncio.Loop) {
		h := inspect.NewHandler([]*asyncio.Loop{loop}, inspect.WithCancel())
		form := cancelForm(t, h, "1")
		sameOrigin := func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "same-origin") }
		w := post(t, h, "cancel", form, sameOrigin)
		assert.Equal(t, http.StatusOK, w.Code)
		assert.JSONEq(t, `{"cancelled": true}`, w.Body.String())
		assert.True(t, endsSoon(victim))
		assert.ErrorContains(t, victim.Exception(), "cancelled from the page")
		w = post(t, h, "cancel", form, sameOrigin)
		assert.JSONEq(t, `{"cancelled": false}`, w.Body.String())
	})
}

func TestARequestToCancelNeedsThePagesTokenAndOrigin(t *testing.T) {
	withLoop(t, func(ctx context.Context) error {
		err := forever(ctx)
		assert.ErrorIs(t, context.Cause(ctx), context.Canceled, "nothing but the end of the test cancels it")
		return err
	}, func(t *testing.T, loop *asyncio.Loop) {
		h := inspect.NewHandler([]*asyncio.Loop{loop}, inspect.WithCancel())
		other := cancelForm(t, inspect.NewHandler([]*asyncio.Loop{loop}, inspect.WithCancel()), "2")
		good := cancelForm(t, h, "2")
		none := url.Values{"task": {"2"}}
		for name, test := range map[string]struct {
			form    url.Values
			prepare func(*http.Request)
		}{
			"no token":              {none, func(*http.Request) {}},
			"another page's token":  {other, func(*http.Request) {}},
			"another site":          {good, func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") }},
			"another port":          {good, func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "same-site") }},
			"an old browser's site": {good, func(r *http.Request) { r.Header.Set("Origin", "https://elsewhere.example") }},
			"a rebound name": {good, func(r *http.Request) {
				*r = *r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, loopback))
				r.Host = "elsewhere.example:80"
			}},
			"a token in the query": {none, func(r *http.Request) { r.URL.RawQuery = good.Encode() }},
		} {
			assert.Equal(t, http.StatusForbidden, post(t, h, "cancel", test.form, test.prepare).Code, name)
		}
		long := url.Values{"token": {strings.Repeat("x", 1<<20)}, "task": {"2"}}
		assert.GreaterOrEqual(t, post(t, h, "cancel", long, func(*http.Request) {}).Code, 400)
		get := httptest.NewRecorder()
		h.ServeHTTP(get, httptest.NewRequest(http.MethodGet, "/cancel?"+good.Encode(), nil))
		assert.Equal(t, http.StatusMethodNotAllowed, get.Code)
		assert.Equal(t, "POST", get.Header().Get("Allow"))
	})
}

func TestTheStackOfATaskIsServed(t *testing.T) {
	withLoop(t, family, func(t *testing.T, loop *asyncio.Loop) {
		h := inspect.Handler(loop)
		rows := getJSON[answer](t, h, "tasks").View.Rows
		child := rows[2]
		require.Equal(t, "first child", child.Name)
		type frame struct {
			Function, File string
			Line           int
		}
		type ref struct {
			ID   uint64
			Name string
		}
		d := getJSON[struct {
			row
			Stack, Creation []frame
			CreatedBy       *ref
			AwaitedBy       []ref
		}](t, h, "stack?task="+id(child))
		assert.Equal(t, child.Name, d.Name)
		require.NotEmpty(t, d.Stack)
		assert.Equal(t, "github.com/go-asyncio/asyncio.(*Event).Wait", d.Stack[0].Function)
		assert.Contains(t, d.Stack[len(d.Stack)-1].Function, "family")
		assert.Positive(t, d.Stack[0].Line)
		assert.Contains(t, d.Creation[0].File, "helper_test.go")
		assert.Equal(t, &ref{rows[1].ID, "Parent"}, d.CreatedBy)
		assert.Equal(t, []ref{{rows[1].ID, "Parent"}}, d.AwaitedBy)
	})
}
