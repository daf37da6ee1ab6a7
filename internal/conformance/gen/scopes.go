package gen

// This file makes statements with bodies, and the idioms in which some statements make sense, such
// as a condition with its lock held, or a producer.

// timeout puts a timeout around the body. Half of the timeouts have a name, by which the body made
// after it, a driver or another worker may reschedule them.
func (g *generator) timeout(s *scope) Block {
	limit := pick(g, []any{nil, 0, 1, 2, 3, 4, 6, 8, -1})
	if g.chance(30) {
		return Block{"timeout", limit, g.inner(s)}
	}
	name := g.newHandle("to")
	s.timeouts = append(s.timeouts, name)
	body := g.inner(s)
	s.timeouts = s.timeouts[:len(s.timeouts)-1]
	return Block{"timeout", limit, body, name}
}

func (g *generator) withTimeout(s *scope) Block {
	if len(s.timeouts) == 0 {
		return nil
	}
	return Block{"reschedule", pick(g, s.timeouts), pick(g, limits)}
}

func (g *generator) group(s *scope) Block {
	name := g.newHandle("g")
	s.groups = append(s.groups, name)
	var body Block
	for range 1 + g.IntN(3) {
		if stmt := g.groupSpawn(s); stmt != nil {
			body = append(body, stmt)
		}
	}
	body = append(body, g.inner(s)...)
	s.groups = s.groups[:len(s.groups)-1]
	return Block{"group", name, body}
}

func (g *generator) groupSpawn(s *scope) Block {
	if len(s.groups) == 0 {
		return nil
	}
	c := g.coro(s)
	if c == "" {
		return nil
	}
	name := g.task(s)
	g.started(s, Block{"", name})
	return Block{"group_spawn", pick(g, s.groups), name, c}
}

// holding makes a with statement on an object of one of the kinds.
func (g *generator) holding(kinds ...string) func(s *scope) Block {
	return func(s *scope) Block {
		body := g.inner(s)
		if g.chance(40) {
			body = append(Block{Block{"sleep", g.IntN(3)}}, body...)
		}
		return Block{"with", g.object("", kinds...)[1], body}
	}
}

// acquiring acquires an object. Often it releases the object in the end, as careful code does;
// otherwise it does not, as code that deadlocks.
func (g *generator) acquiring(kinds ...string) func(s *scope) Block {
	return func(s *scope) Block {
		body := g.inner(s)
		obj := g.object("", kinds...)[1]
		try := Block{"try", append(Block{Block{"acquire", obj}}, body...), Block{}}
		if g.chance(85) {
			try = append(try, Block{Block{"release", obj}})
		}
		return try
	}
}

// within runs statements about a condition with its lock held.
func (g *generator) within(stmts func(cv any) Block) Block {
	cv := any(pick(g, g.byKind["Condition"]))
	return Block{"with", cv, stmts(cv)}
}

func (g *generator) condWait(*scope) Block {
	return g.within(func(cv any) Block {
		b := Block{Block{"cond_wait", cv}}
		if g.chance(30) {
			b = append(b, Block{"log", g.fresh("m")})
		}
		if g.chance(20) {
			b = append(b, Block{"sleep", g.IntN(3)})
		}
		return b
	})
}

func (g *generator) condWaitFor(*scope) Block {
	return g.within(func(cv any) Block {
		return Block{
			Block{"cond_wait_for", cv, pick(g, counters), 1 + g.IntN(4)},
			Block{"log", g.fresh("m")},
		}
	})
}

func (g *generator) notify(*scope) Block {
	return g.within(func(cv any) Block {
		b := Block{Block{"notify", cv, g.IntN(3)}}
		if g.chance(50) {
			b = append(Block{Block{"add", pick(g, counters), 1}}, b...)
		}
		if g.chance(30) {
			b = append(b, Block{"sleep", g.IntN(3)})
		}
		return b
	})
}

func (g *generator) notifyAll(*scope) Block {
	return g.within(func(cv any) Block {
		return Block{Block{"add", pick(g, counters), 1}, Block{"notify_all", cv}}
	})
}

// bareCondition uses a condition as a lock, or without its lock, which is a mistake unless another
// task happens to hold it.
func (g *generator) bareCondition(s *scope) Block {
	cv := pick(g, g.byKind["Condition"])
	switch g.IntN(4) {
	case 0:
		return Block{"notify", cv, 1}
	case 1:
		return Block{"cond_wait", cv}
	default:
		return g.compound(s, g.acquiring("Condition"))
	}
}

func (g *generator) produce(*scope) Block {
	q := g.object("", queues...)[1]
	return Block{"repeat", 1 + g.IntN(3), Block{
		Block{"put", q, g.item()},
		Block{"sleep", g.IntN(2)},
	}}
}

func (g *generator) consume(*scope) Block {
	q := g.object("", queues...)[1]
	return Block{"repeat", 1 + g.IntN(3), Block{
		Block{"get", q},
		Block{"sleep", g.IntN(2)},
		Block{"task_done", q},
	}}
}

// fill puts several items at once. See drain, which gets several.
func (g *generator) fill(s *scope) Block {
	var body Block
	q := g.object("", queues...)[1]
	for range 3 + g.IntN(6) {
		body = append(body, Block{"put_nowait", q, g.item()})
	}
	return g.tryAround(s, body)
}

func (g *generator) drain(s *scope) Block {
	get := Block{"get_nowait", g.object("", queues...)[1]}
	return g.tryAround(s, Block{Block{"repeat", 3 + g.IntN(6), Block{get}}})
}

// nudge makes a statement that lets other tasks go on.
func (g *generator) nudge(s *scope) Block {
	switch g.IntN(16) {
	case 0, 1:
		return g.object("set", "Event")
	case 2:
		return g.notify(s)
	case 3:
		return g.notifyAll(s)
	case 4:
		return Block{"set_result", g.someFuture(), g.value()}
	case 5:
		return g.setException(s)
	case 6:
		return append(g.object("put_nowait", queues...), g.item())
	case 7:
		return g.object("get_nowait", queues...)
	case 8:
		return g.object("release", "Semaphore", "Lock")
	case 9:
		return g.object("barrier_wait", "Barrier")
	case 10:
		return Block{"on_done", g.anything(s), g.fresh("d")}
	case 11:
		return pick(g, []Block{{"call_soon", g.fresh("h")}, g.callLater(s)})
	default:
		return g.cancel(g.anything(s))
	}
}

func (g *generator) newHandle(prefix string) string {
	name := g.fresh(prefix)
	g.handles = append(g.handles, name)
	return name
}

// handle names a task group, a timeout or a timer. It may be of any of these kinds, and may be over
// or not have begun.
func (g *generator) handle() string {
	if len(g.handles) == 0 || g.chance(10) {
		return "nowhere"
	}
	return pick(g, g.handles)
}

// mistake makes a statement that usually raises an error in CPython.
func (g *generator) mistake(s *scope) Block {
	all := g.objects
	obj := func() any { return pick(g, all).Name }
	task := func() any {
		if len(g.tasks) == 0 {
			return "main"
		}
		return pick(g, g.tasks)
	}
	switch g.IntN(16) {
	case 0:
		return g.object("release", "Lock", "Condition", "BoundedSemaphore")
	case 1:
		return Block{pick(g, []string{"acquire", "release", "locked", "set", "clear", "is_set"}), obj()}
	case 2:
		return Block{pick(g, []string{"wait_event", "cond_wait", "barrier_wait", "notify_all"}), obj()}
	case 3:
		return Block{pick(g, []string{"get", "get_nowait", "task_done", "join"}), obj()}
	case 4:
		return Block{"with", obj(), Block{Block{"sleep", 1}}}
	case 5:
		return Block{"set_result", task(), 1}
	case 6:
		return Block{"set_exception", task(), "Value", "!task"}
	case 7:
		return Block{"reschedule", g.handle(), pick(g, limits)}
	case 8:
		c := g.coro(s)
		if c == "" {
			c = "nowhere"
		}
		return Block{"group_spawn", g.handle(), g.fresh("t"), c}
	case 9:
		return Block{"spawn", g.fresh("t"), "nowhere"}
	case 10:
		return Block{"cancel_handle", g.handle()}
	case 11:
		return Block{"await", pick(g, []string{"main", "nobody"})}
	case 12:
		return Block{"group", g.fresh("g"), Block{Block{"return", g.value()}}}
	case 13:
		return Block{"reraise"}
	case 14:
		lk := pick(g, g.byKind["Lock"])
		return Block{"with", lk, Block{Block{"release", lk}, Block{"sleep", g.IntN(2)}}}
	default:
		return Block{pick(g, []string{"acquire", "set", "get", "barrier_wait", "notify_all"}), "nothing"}
	}
}
