//go:build integration

package browser_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
)

const (
	timelineRows = `[...document.querySelectorAll('#timeline tbody tr')].map(r => r.cells[0].textContent)`
	spot         = `document.getElementById('spot').textContent`
)

func TestTheTimelineInABrowser(t *testing.T) {
	_, p := open(t)
	p.await(status + ` === 'live'`)
	p.do(p.Eval(`document.querySelector('#timeline > summary').click()`, nil))

	// The tasks that do something have rows, in the picture and as a table.
	p.await(timelineRows + `.includes('ticker')`)
	p.await(`document.getElementById('legend').textContent.includes('sleep')`)
	p.await(`canvas.height > 0 && ctx.getImageData(0, 0, canvas.width, canvas.height).data.some(v => v > 0)`)
	assert.Contains(t, p.text(`canvas.ariaLabel`), "Timeline of the last 10 seconds")

	// The keyboard walks over rows and parts, and opens a task.
	p.do(p.Eval(`canvas.focus()`, nil))
	p.await(`document.activeElement === canvas`)
	row := `picture.rows.findIndex(r => r.name === 'ticker')`
	p.await(row + ` > 0`)
	p.do(p.Eval(`spot = {row: `+row+` - 1, part: -1}`, nil))
	p.press("ArrowDown")
	p.await(spot + `.startsWith('ticker: ')`)
	p.press("ArrowLeft")
	p.await(`spot.part === -2`)
	p.press("Enter")
	p.await(details + `.includes('ticker')`)

	// It moves, and a shorter time has its own picture. It rests while the page is paused.
	p.do(p.Eval(`window.before = picture.to`, nil))
	p.await(`picture.to > window.before`)
	p.do(p.Eval(`{const s = document.querySelector('#timeline select'); s.value = 1; s.dispatchEvent(new Event('change'));}`, nil))
	p.await(`picture.seconds === 1`)

	// The trace that the link records is one.
	var trace string
	p.do(p.Eval(`fetch(document.querySelector('#timeline a').href.replace('seconds=5', 'seconds=1')).then(r => r.text())`, &trace))
	var events struct{ TraceEvents []map[string]any }
	assert.NoError(t, json.Unmarshal([]byte(trace), &events))
	assert.NotEmpty(t, events.TraceEvents)
	assert.Contains(t, trace, `"ticker"`)
	assert.Empty(t, p.Complaints)
}
