package gen

import "encoding/json"

// makers makes the statements, and small groups of statements that make sense together. A maker
// returns nil if its statement is not allowed in that place.
var makers = map[string]func(g *generator, s *scope) Block{
	// The language itself.
	"log":     func(g *generator, _ *scope) Block { return Block{"log", g.fresh("m")} },
	"call":    func(g *generator, s *scope) Block { return g.withCoro(s, "call") },
	"raise":   (*generator).raise,
	"return":  func(g *generator, s *scope) Block { return nested(s, Block{"return", g.value()}) },
	"repeat":  (*generator).repeat,
	"try":     func(g *generator, s *scope) Block { return g.compound(s, g.try) },
	"sleep":   func(g *generator, _ *scope) Block { return Block{"sleep", pick(g, delays)} },
	"reraise": func(g *generator, s *scope) Block { return when(s.caught, Block{"reraise"}) },

	// Tasks.
	"spawn":      func(g *generator, s *scope) Block { return g.spawn(s) },
	"eager":      (*generator).eager,
	"cancel":     func(g *generator, s *scope) Block { return g.cancel(g.anything(s)) },
	"uncancel":   func(*generator, *scope) Block { return Block{"uncancel"} },
	"cancelling": func(*generator, *scope) Block { return Block{"cancelling"} },
	"all_tasks":  func(*generator, *scope) Block { return Block{"all_tasks"} },
	"await":      func(g *generator, s *scope) Block { return Block{"await", g.awaitable(s)} },
	"status":     func(g *generator, s *scope) Block { return Block{"status", g.anything(s)} },

	// Futures.
	"future":        (*generator).future,
	"await_future":  func(g *generator, _ *scope) Block { return Block{"await", g.someFuture()} },
	"set_result":    func(g *generator, _ *scope) Block { return Block{"set_result", g.someFuture(), g.value()} },
	"set_exception": (*generator).setException,
	"on_done":       func(g *generator, s *scope) Block { return Block{"on_done", g.anything(s), g.fresh("d")} },

	// Waiting.
	"gather": func(g *generator, s *scope) Block { return Block{"gather", g.refs(s, g.awaitable), g.chance(40)} },
	"gather_start": func(g *generator, s *scope) Block {
		refs, name := g.refs(s, g.awaitable), g.fresh("g")
		g.futures = append(g.futures, name)
		return Block{"gather_start", name, refs, g.chance(40)}
	},
	"wait":     (*generator).wait,
	"wait_for": func(g *generator, s *scope) Block { return Block{"wait_for", g.ref(s, g.awaitable), pick(g, limits)} },
	"shield":   func(g *generator, s *scope) Block { return Block{"shield", g.ref(s, g.anything)} },
	"as_completed": func(g *generator, s *scope) Block {
		return Block{"as_completed", g.refs(s, g.anything), pick(g, limits)}
	},

	// Scopes.
	"timeout":     func(g *generator, s *scope) Block { return g.compound(s, g.timeout) },
	"reschedule":  func(g *generator, s *scope) Block { return g.withTimeout(s) },
	"group":       func(g *generator, s *scope) Block { return g.compound(s, g.group) },
	"group_spawn": (*generator).groupSpawn,

	// Locks and other primitives.
	"hold":          func(g *generator, s *scope) Block { return g.compound(s, g.holding("Lock")) },
	"acquire":       func(g *generator, s *scope) Block { return g.compound(s, g.acquiring("Lock")) },
	"release":       func(g *generator, _ *scope) Block { return g.object("release", "Lock") },
	"locked":        func(g *generator, _ *scope) Block { return g.object("locked", "Lock", "Condition") },
	"hold_sem":      func(g *generator, s *scope) Block { return g.compound(s, g.holding("Semaphore", "BoundedSemaphore")) },
	"acquire_sem":   func(g *generator, s *scope) Block { return g.compound(s, g.acquiring("Semaphore", "BoundedSemaphore")) },
	"release_sem":   func(g *generator, _ *scope) Block { return g.object("release", "Semaphore", "BoundedSemaphore") },
	"locked_sem":    func(g *generator, _ *scope) Block { return g.object("locked", "Semaphore", "BoundedSemaphore") },
	"set":           func(g *generator, _ *scope) Block { return g.object("set", "Event") },
	"clear":         func(g *generator, _ *scope) Block { return g.object("clear", "Event") },
	"is_set":        func(g *generator, _ *scope) Block { return g.object("is_set", "Event") },
	"wait_event":    func(g *generator, _ *scope) Block { return g.object("wait_event", "Event") },
	"cond_wait":     (*generator).condWait,
	"cond_wait_for": (*generator).condWaitFor,
	"notify":        (*generator).notify,
	"notify_all":    (*generator).notifyAll,
	"bare_cond":     (*generator).bareCondition,
	"add":           func(g *generator, _ *scope) Block { return Block{"add", pick(g, counters), 1 + g.IntN(2)} },
	"barrier_wait":  func(g *generator, _ *scope) Block { return g.object("barrier_wait", "Barrier") },
	"barrier_reset": func(g *generator, _ *scope) Block { return g.object("barrier_reset", "Barrier") },
	"barrier_abort": func(g *generator, _ *scope) Block { return g.object("barrier_abort", "Barrier") },

	// Queues.
	"put":        func(g *generator, _ *scope) Block { return append(g.object("put", queues...), g.item()) },
	"get":        func(g *generator, _ *scope) Block { return g.object("get", queues...) },
	"put_nowait": func(g *generator, _ *scope) Block { return append(g.object("put_nowait", queues...), g.item()) },
	"get_nowait": func(g *generator, _ *scope) Block { return g.object("get_nowait", queues...) },
	"task_done":  func(g *generator, _ *scope) Block { return g.object("task_done", queues...) },
	"join":       func(g *generator, _ *scope) Block { return g.object("join", queues...) },
	"shutdown":   func(g *generator, _ *scope) Block { return append(g.object("shutdown", queues...), g.chance(40)) },
	"produce":    (*generator).produce,
	"consume":    (*generator).consume,
	"fill":       (*generator).fill,
	"drain":      (*generator).drain,

	// Callbacks.
	"call_soon":     func(g *generator, _ *scope) Block { return Block{"call_soon", g.fresh("h")} },
	"call_later":    (*generator).callLater,
	"cancel_handle": (*generator).cancelHandle,
}

var (
	queues   = []string{"Queue", "PriorityQueue", "LifoQueue"}
	counters = []string{"n", "m"}

	// Lengths of sleeps and limits: short, so that they coincide.
	delays = []any{0, 0, 0, 0, 1, 1, 2, 2, 3, 5, 8}
	limits = []any{nil, nil, 0, 0, 1, 2, 3, 4, 8, -1}
)

func when(ok bool, b Block) Block {
	if !ok {
		return nil
	}
	return b
}

// nested returns b only inside a nested block. On the outermost level the statement would end the
// whole coroutine.
func nested(s *scope, b Block) Block { return when(s.depth > 0, b) }

// compound makes a statement with a body, unless it would be nested too deeply.
func (g *generator) compound(s *scope, make func(s *scope) Block) Block {
	if s.depth > 3 {
		return nil
	}
	return make(s)
}

// value makes a value that a coroutine returns or a future is set to.
func (g *generator) value() any {
	return pick(g, []any{nil, nil, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 0, true, false, "v", 1.5,
		Block{1, nil}, Block{}})
}

// item makes an item of a queue: a number, since a priority queue orders its items. Some numbers
// are equal but print differently.
func (g *generator) item() any {
	if g.chance(40) {
		return pick(g, []any{true, true, false, 0, 1, json.RawMessage("1.0"), json.RawMessage("0.0"), 0.5, -1})
	}
	return g.IntN(10)
}

// object makes a statement about an object of one of the kinds.
func (g *generator) object(op string, kinds ...string) Block {
	return Block{op, pick(g, g.byKind[pick(g, kinds)])}
}

// anything names a task or future, which usually exists by then.
func (g *generator) anything(s *scope) string {
	switch n := g.IntN(100); {
	case n < 4:
		return "main"
	case n < 30 && len(s.own) > 0:
		return pick(g, s.own)
	case n < 60:
		return pick(g, g.stars)
	case n < 65 && len(g.tasks) > 0:
		return pick(g, g.tasks)
	default:
		return g.someFuture()
	}
}

// someFuture names a future, usually one in the table of objects.
func (g *generator) someFuture() string {
	if g.chance(70) {
		return pick(g, g.byKind["Future"])
	}
	return pick(g, g.futures)
}

// awaitable names a task or future. Usually awaiting it does not close a ring of tasks: CPython
// does not survive the cancellation of a ring.
func (g *generator) awaitable(s *scope) string {
	switch n := g.IntN(100); {
	case n < 3:
		return g.anything(s)
	case n < 60 && len(s.own) > 0:
		return pick(g, s.own)
	default:
		return g.someFuture()
	}
}

// coro names a coroutine that is not too costly, or returns "" if there is none.
func (g *generator) coro(s *scope) string {
	if len(s.callable) == 0 {
		return ""
	}
	name := pick(g, s.callable)
	if *s.cost += g.cost[name]; *s.cost > maxCost {
		return ""
	}
	return name
}

func (g *generator) withCoro(s *scope, op string) Block {
	if name := g.coro(s); name != "" {
		return Block{op, name}
	}
	return nil
}

// ref refers to a coroutine, or to the task or future that name returns.
func (g *generator) ref(s *scope, name func(s *scope) string) string {
	if g.chance(45) {
		if c := g.coro(s); c != "" {
			return "c:" + c
		}
	}
	return "t:" + name(s)
}

func (g *generator) refs(s *scope, name func(s *scope) string) Block {
	refs := Block{}
	n := 1 + g.IntN(3)
	if g.chance(4) {
		n = 0
	}
	for range n {
		refs = append(refs, g.ref(s, name))
	}
	return refs
}

func (g *generator) spawn(s *scope) Block {
	c := g.coro(s)
	if c == "" {
		return Block{"sleep", 0}
	}
	return g.started(s, Block{"spawn", g.task(s), c})
}

func (g *generator) eager(s *scope) Block {
	c := g.coro(s)
	if c == "" {
		return nil
	}
	return g.started(s, Block{"eager", g.task(s), c})
}

// task makes the name of a task; now and then it is the name of an earlier task.
func (g *generator) task(s *scope) string {
	if g.chance(4) && len(s.own) > 0 {
		return pick(g, s.own)
	}
	return g.fresh("t")
}

func (g *generator) started(s *scope, stmt Block) Block {
	name := stmt[1].(string)
	s.own = append(s.own, name)
	g.tasks = append(g.tasks, name)
	return stmt
}

func (g *generator) cancel(name string) Block {
	b := Block{"cancel", name}
	switch g.IntN(4) {
	case 0:
		b = append(b, g.fresh("msg"))
	case 1:
		b = append(b, pick(g, []any{nil, ""}))
	}
	return b
}

func (g *generator) raise(s *scope) Block {
	return nested(s, append(Block{"raise"}, g.exception()...))
}

// exception makes the kind and message of an exception. A Key without a message cannot be printed.
func (g *generator) exception() Block {
	switch g.IntN(6) {
	case 0, 1:
		return Block{"Value", g.fresh("!v")}
	case 2:
		return Block{"Key", g.fresh("k")}
	case 3:
		return Block{"Timeout"}
	case 4:
		return Block{"Cancelled", g.fresh("x")}
	default:
		return pick(g, []Block{{"Value"}, {"Value", "plain"}, {"Cancelled"}, {"Cancelled", nil}, {"Timeout", "late"}})
	}
}

func (g *generator) setException(*scope) Block {
	return append(Block{"set_exception", g.someFuture()}, g.exception()...)
}

func (g *generator) future(*scope) Block {
	name := g.fresh("f")
	g.futures = append(g.futures, name)
	return Block{"future", name}
}

func (g *generator) repeat(s *scope) Block {
	before := *s.cost
	n := 2 + g.IntN(2)
	return g.compound(s, func(s *scope) Block {
		body := g.inner(s)
		*s.cost += (n - 1) * (*s.cost - before)
		return Block{"repeat", n, body}
	})
}

func (g *generator) wait(s *scope) Block {
	names := Block{}
	for range g.IntN(4) {
		names = append(names, g.anything(s))
	}
	return Block{"wait", names, pick(g, limits), pick(g, []string{"ALL", "FIRST", "EXCEPTION"})}
}

func (g *generator) callLater(*scope) Block {
	return Block{"call_later", g.newHandle("h"), pick(g, delays)}
}

// cancelHandle makes a timer and cancels it, since no other timer is sure to exist.
func (g *generator) cancelHandle(s *scope) Block {
	later := g.callLater(s)
	return Block{"try", Block{later, Block{"sleep", g.IntN(3)}}, Block{},
		Block{Block{"cancel_handle", later[1]}}}
}
