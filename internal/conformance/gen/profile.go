package gen

import (
	"maps"
	"slices"
)

// A profile determines how often each statement is made.
type profile struct {
	weights []weighted
	total   int
	misuse  int // mistakes in 100 statements
}

type weighted struct {
	make   func(g *generator, s *scope) Block
	weight int
}

// A family is a group of related statements, each with its weight within the family.
type family map[string]int

// The families contain every statement of the language except those that a scenario gets in another
// way, such as try.
var families = map[string]family{
	"basic": {
		"log": 4, "sleep": 14, "call": 3, "raise": 3, "return": 1, "repeat": 3, "try": 5,
		"cancelling": 1, "all_tasks": 1, "spawn": 6, "await": 6, "cancel": 5, "status": 2,
	},
	"cancel": {"cancel": 10, "uncancel": 2, "cancelling": 3, "spawn": 6, "await": 4, "try": 4, "sleep": 6},
	"lock":   {"hold": 8, "acquire": 2, "release": 2, "locked": 3},
	"event":  {"set": 4, "clear": 2, "is_set": 2, "wait_event": 8},
	"condition": {
		"cond_wait": 7, "cond_wait_for": 5, "notify": 6, "notify_all": 3, "add": 2,
		"bare_cond": 1, "locked": 1,
	},
	"semaphore": {"hold_sem": 8, "acquire_sem": 3, "release_sem": 3, "locked_sem": 2},
	"barrier":   {"barrier_wait": 10, "barrier_reset": 2, "barrier_abort": 1},
	"queue": {
		"put": 7, "get": 7, "put_nowait": 3, "get_nowait": 3, "task_done": 4, "join": 2,
		"shutdown": 1, "produce": 2, "consume": 2, "fill": 2, "drain": 2,
	},
	"future": {
		"future": 3, "await_future": 6, "set_result": 5, "set_exception": 4, "on_done": 4,
		"status": 4, "cancel": 4,
	},
	"gather":  {"gather": 8, "gather_start": 6, "await_future": 3},
	"wait":    {"wait": 6, "wait_for": 8, "shield": 5, "as_completed": 5},
	"timeout": {"timeout": 10, "reschedule": 5, "sleep": 3},
	"group":   {"group": 10, "group_spawn": 8, "raise": 2},
	"eager":   {"eager": 10, "call": 1},
	"timer":   {"call_soon": 4, "call_later": 6, "cancel_handle": 3, "on_done": 3},
}

// profiles are mixtures of families.
var profiles = map[string]*profile{
	"mixed": mix(2, family{
		"basic": 20, "cancel": 5, "lock": 5, "event": 4, "condition": 5, "semaphore": 4,
		"barrier": 3, "queue": 6, "future": 5, "gather": 6, "wait": 8, "timeout": 6,
		"group": 8, "eager": 3, "timer": 3,
	}),
	"locks":      mix(3, family{"basic": 10, "lock": 12, "cancel": 6, "timeout": 3, "wait": 2}),
	"conditions": mix(2, family{"basic": 8, "condition": 16, "cancel": 5, "lock": 2, "timeout": 3, "event": 2}),
	"semaphores": mix(2, family{"basic": 8, "semaphore": 16, "cancel": 6, "timeout": 3, "wait": 2}),
	"barriers":   mix(1, family{"basic": 8, "barrier": 16, "cancel": 5, "timeout": 3, "wait": 2}),
	"queues":     mix(2, family{"basic": 8, "queue": 20, "cancel": 5, "timeout": 3, "wait": 2}),
	"groups":     mix(2, family{"basic": 8, "group": 14, "timeout": 8, "cancel": 6, "future": 2, "wait": 2, "lock": 1}),
	"timeouts":   mix(2, family{"basic": 8, "timeout": 14, "wait": 5, "cancel": 5, "event": 2, "future": 2, "timer": 2}),
	"eager":      mix(1, family{"basic": 6, "eager": 14, "future": 4, "gather": 5, "wait": 4, "group": 4, "cancel": 4, "lock": 2}),
	"futures":    mix(2, family{"basic": 6, "future": 14, "gather": 4, "wait": 6, "timer": 3, "cancel": 3}),
	"gathers":    mix(1, family{"basic": 6, "gather": 16, "future": 6, "cancel": 6, "wait": 3, "eager": 1}),
	"waits":      mix(1, family{"basic": 6, "wait": 18, "future": 6, "cancel": 4, "timeout": 3, "event": 2}),
	"timers":     mix(1, family{"basic": 8, "timer": 14, "timeout": 4, "future": 4, "cancel": 2}),
	"mistakes":   mix(30, family{"basic": 8, "lock": 3, "condition": 3, "semaphore": 3, "queue": 3, "future": 4, "group": 5, "timeout": 4}),
}

// Profiles returns the names of the profiles, sorted.
func Profiles() []string { return slices.Sorted(maps.Keys(profiles)) }

// mix makes a profile from families with their shares, and a share of mistakes.
func mix(misuse int, shares family) *profile {
	p := &profile{misuse: misuse}
	for _, name := range slices.Sorted(maps.Keys(shares)) {
		members, sum := families[name], 0
		for _, w := range members {
			sum += w
		}
		for _, stmt := range slices.Sorted(maps.Keys(members)) {
			make, ok := makers[stmt]
			if !ok {
				panic("gen: no statement " + stmt)
			}
			w := max(1, 100*shares[name]*members[stmt]/sum)
			p.weights = append(p.weights, weighted{make, w})
			p.total += w
		}
	}
	return p
}

// statement makes one statement according to the profile, or a sleep if the coroutine has become
// too costly.
func (g *generator) statement(s *scope) Block {
	*s.cost++
	if *s.cost > maxCost {
		return Block{"sleep", 0}
	}
	if g.chance(g.profile.misuse) {
		return g.mistake(s)
	}
	for {
		n := g.IntN(g.profile.total)
		for _, w := range g.profile.weights {
			if n -= w.weight; n < 0 {
				if stmt := w.make(g, s); stmt != nil {
					return stmt
				}
				break // not allowed in this place
			}
		}
	}
}
