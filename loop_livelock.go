package asyncio

// This file is about virtual time that stands still because tasks and callbacks keep each
// other going at one instant.

import (
	"fmt"
	"reflect"
	"runtime"
	"slices"
	"strings"
)

// An instant of virtual time, and what is noted of the turns that the loop makes at it.
type instant struct {
	begun uint64   // the last turn before it
	ran   []string // in the last turns that are allowed
	news  uint64   // of the loop's threads, when isHeld looked last
}

const (
	// livelockTurns is of how many turns a LivelockError names what ran: what keeps itself
	// going may take several for one round.
	livelockTurns = 8
	livelockNames = 100
)

// beginInstant starts counting the turns at a new instant.
func (l *Loop) beginInstant() {
	if l.virtual {
		l.instant.begun, l.instant.ran = l.turns, nil
		l.chores = min(l.chores, l.turns+l.unnoted()+1)
	}
}

// unnoted is how many turns at an instant pass before the loop notes what runs.
func (l *Loop) unnoted() uint64 { return l.maxTurns - min(l.maxTurns, livelockTurns) }

// checkInstant ends the run if the turn that begins is one too many at this instant.
func (l *Loop) checkInstant() {
	made := l.turns - l.instant.begun
	if made > l.unnoted() && l.isHeld() {
		l.beginInstant()
		made = 0
	}
	switch {
	case l.failure != nil:
		l.left = 0
	case made <= l.unnoted():
		l.chores = min(l.chores, l.instant.begun+l.unnoted()+1)
	case made <= l.maxTurns:
		l.noteReady()
		l.chores = l.turns + 1
	default:
		l.stuck = true
		l.fail(&LivelockError{l.Time(), int(l.maxTurns), l.instant.ran})
		l.left = 0
	}
}

// noteReady notes what is going to run in this turn.
func (l *Loop) noteReady() {
	const most = 1000 // not to be quadratic
	for i := range min(l.left, most) {
		name := nameOf(l.ready.At(i))
		if len(l.instant.ran) == livelockNames {
			return
		}
		if !slices.Contains(l.instant.ran, name) {
			l.instant.ran = append(l.instant.ran, name)
		}
	}
}

// nameOf returns what an entry of the ready queue is, in words for the user.
func nameOf(r runnable) string {
	if r, ok := r.(interface{ describe() string }); ok {
		return r.describe()
	}
	return strings.TrimPrefix(fmt.Sprintf("%T", r), "*asyncio.")
}

// callbackName names a function of whatever type as a callback.
func callbackName(fn any) string { return "callback " + funcName(fn) }

// funcName returns the name of a function of whatever type.
func funcName(fn any) string {
	return runtime.FuncForPC(reflect.ValueOf(fn).Pointer()).Name()
}
