package asyncio

// This file is about virtual time that stands still because tasks and callbacks keep each other
// going at one instant.

import (
	"fmt"
	"reflect"
	"runtime"
	"slices"
	"strings"
)

// An instant of virtual time, and a record of the turns that the loop makes at it.
type instant struct {
	begun uint64   // the last turn before it
	ran   []string // names of the entries of the last turns that are allowed
	news  uint64   // threads.news at the last call of isHeld
}

const (
	livelockTurns = 8   // the turns whose entries a LivelockError names; one round may take several
	livelockNames = 100 // the names in a LivelockError, at most
)

// beginInstant starts counting the turns at a new instant.
func (l *Loop) beginInstant() {
	if l.virtual {
		l.instant.begun, l.instant.ran = l.turns, nil
		l.chores = min(l.chores, l.turns+l.unnoted()+1)
	}
}

// unnoted returns the number of turns at an instant before the loop begins to note their entries.
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

// noteReady notes the names of the entries that run in this turn.
func (l *Loop) noteReady() {
	const most = 1000 // so that a long queue does not take long in each turn
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

// nameOf returns the name of an entry of the ready queue, in words for the user.
func nameOf(r runnable) string {
	if r, ok := r.(interface{ describe() string }); ok {
		return r.describe()
	}
	return strings.TrimPrefix(fmt.Sprintf("%T", r), "*asyncio.")
}

// callbackName names a function of any type as a callback.
func callbackName(fn any) string { return "callback " + funcName(fn) }

// funcName returns the name of a function of any type.
func funcName(fn any) string {
	return runtime.FuncForPC(reflect.ValueOf(fn).Pointer()).Name()
}
