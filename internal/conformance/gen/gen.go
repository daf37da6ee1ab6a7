// Package gen makes random scenarios of the language that package conformance runs. A scenario is a
// function of its seed and its profile alone.
//
// A scenario that waits for ever, or that ends with its first error, tests little. So most waits
// come to an end: main starts workers, which wait, and drivers, which wake, fill, cancel and
// interrupt, and most scenarios run under a timeout. Delays are short, so that many events happen
// at the same instant, where their order is tested.
package gen

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
)

// A Scenario is a scenario in its written form.
type Scenario struct {
	Name    string           `json:"name"`
	Objects Objects          `json:"objects"`
	Coros   map[string]Block `json:"coros"`
}

// A Block is a list of statements.
type Block = []any

// Objects is the table of objects, in the order of their creation.
type Objects []Object

// An Object is an entry of the table: its kind and arguments.
type Object struct {
	Name string
	Spec []any
}

// MarshalJSON writes the table as a JSON object that keeps the order.
func (o Objects) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, obj := range o {
		if i > 0 {
			b.WriteByte(',')
		}
		spec, err := json.Marshal(obj.Spec)
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(&b, "%q:%s", obj.Name, spec)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// maxCost bounds the number of statements that a coroutine may run, including those of the
// coroutines that it starts.
const maxCost = 400

// generator is the state of a scenario that is being made.
type generator struct {
	*rand.Rand
	profile *profile
	objects Objects
	byKind  map[string][]string
	coros   map[string]Block
	cost    map[string]int

	last    int      // for unique names
	futures []string // names of futures, and of running gathers
	tasks   []string // names of tasks
	handles []string // names of task groups, timeouts and timers
	stars   []string // tasks that main starts first, and to which any coroutine may refer
}

// scope holds the names that a statement may refer to, and its surroundings.
type scope struct {
	depth    int      // of nested blocks
	callable []string // coroutines that may be called or started without a ring
	own      []string // tasks that this coroutine has made, which it can await without a ring
	groups   []string // task groups around the statement
	timeouts []string // timeouts around the statement
	caught   bool     // whether the statement is in a handler
	cost     *int     // spent on the coroutine so far
}

// New makes the scenario for a seed, in the named profile; see Profiles. It panics if there is no
// such profile.
func New(profileName string, seed uint64) *Scenario {
	p := profiles[profileName]
	if p == nil {
		panic("gen: no profile " + profileName)
	}
	g := &generator{
		Rand:    rand.New(rand.NewPCG(seed, 0x5eed)),
		profile: p,
		byKind:  map[string][]string{},
		coros:   map[string]Block{},
		cost:    map[string]int{},
	}
	g.makeObjects()
	for range 1 + g.IntN(4) {
		g.stars = append(g.stars, g.fresh("t"))
	}
	callable := g.makeWorkers()
	g.makeMain(callable)
	return &Scenario{
		Name:    fmt.Sprintf("%s-%d", profileName, seed),
		Objects: g.objects,
		Coros:   g.coros,
	}
}

// chance reports true in p of 100 cases.
func (g *generator) chance(p int) bool { return g.IntN(100) < p }

func pick[T any](g *generator, from []T) T { return from[g.IntN(len(from))] }

// fresh returns an unused name.
func (g *generator) fresh(prefix string) string {
	g.last++
	return fmt.Sprint(prefix, g.last)
}

func (g *generator) addObject(prefix, kind string, args ...any) {
	name := fmt.Sprint(prefix, len(g.byKind[kind]))
	g.objects = append(g.objects, Object{name, append([]any{kind}, args...)})
	g.byKind[kind] = append(g.byKind[kind], name)
	if kind == "Future" {
		g.futures = append(g.futures, name)
	}
}

// makeObjects makes one or two objects of each kind.
func (g *generator) makeObjects() {
	for _, o := range []struct {
		prefix, kind string
		args         func() []any
	}{
		{"lk", "Lock", nil},
		{"ev", "Event", nil},
		{"sem", "Semaphore", func() []any { return []any{g.IntN(4)} }},
		{"bs", "BoundedSemaphore", func() []any { return []any{1 + g.IntN(2)} }},
		{"cv", "Condition", g.conditionArgs},
		{"fu", "Future", nil},
		{"br", "Barrier", func() []any { return []any{1 + g.IntN(3)} }},
		{"q", "Queue", func() []any { return []any{g.IntN(3)} }},
		{"pq", "PriorityQueue", func() []any { return []any{pick(g, []int{0, 0, 1, 3, 8})} }},
		{"lq", "LifoQueue", func() []any { return []any{pick(g, []int{0, 1, 3})} }},
	} {
		for range 1 + g.IntN(2) {
			var args []any
			if o.args != nil {
				args = o.args()
			}
			g.addObject(o.prefix, o.kind, args...)
		}
	}
}

// conditionArgs makes a condition share the lock of another object now and then.
func (g *generator) conditionArgs() []any {
	if g.chance(30) {
		return []any{pick(g, g.byKind["Lock"])}
	}
	return nil
}

// makeWorkers makes the coroutines c0, c1, …. Each may start those made before it.
func (g *generator) makeWorkers() []string {
	var callable []string
	for i := range 2 + g.IntN(4) {
		name := fmt.Sprint("c", i)
		g.makeCoro(name, callable, func(s *scope) Block {
			if i > 0 && g.chance(20) {
				return g.driver(s)
			}
			return g.block(s, 2+g.IntN(5))
		})
		callable = append(callable, name)
	}
	return callable
}

func (g *generator) makeCoro(name string, callable []string, body func(s *scope) Block) {
	cost := 0
	s := &scope{callable: callable, cost: &cost}
	b := body(s)
	if g.chance(50) {
		b = append(b, Block{"return", g.value()})
	}
	g.coros[name] = b
	g.cost[name] = cost
}

// driver makes a block that wakes and interrupts waiting tasks.
func (g *generator) driver(s *scope) Block {
	var b Block
	for range 3 + g.IntN(6) {
		b = append(b, g.guarded(s, g.nudge(s)))
		if g.chance(70) {
			b = append(b, Block{"sleep", g.IntN(4)})
		}
	}
	return b
}

// starts holds the statements by which main starts its first tasks.
var starts = []string{"spawn", "spawn", "spawn", "spawn", "eager"}

// makeMain makes main, which starts some workers and a driver, runs statements of its own, and logs
// the final state.
func (g *generator) makeMain(callable []string) {
	cost := 0
	s := &scope{callable: callable, cost: &cost}
	var body Block
	for _, name := range g.stars {
		stmt := Block{pick(g, starts), name, pick(g, callable)}
		*s.cost += g.cost[stmt[2].(string)]
		body = append(body, g.started(s, stmt))
	}
	g.makeCoro("driver", callable, g.driver)
	if g.chance(85) {
		body = append(body, Block{"spawn", g.fresh("t"), "driver"})
	}
	for _, stmt := range g.block(s, 2+g.IntN(6)) {
		// main should survive most of its errors.
		if b := stmt.(Block); b[0] != "try" && g.chance(50) {
			stmt = g.tryAround(s, Block{b})
		}
		body = append(body, stmt)
	}
	if g.chance(60) {
		body = append(body, Block{"sleep", g.IntN(10)})
	}
	main := body
	if g.chance(85) {
		limit := pick(g, []any{3, 8, 20, 20, 60})
		main = Block{Block{"try", Block{Block{"timeout", limit, body}},
			Block{Block{"Any", Block{Block{"log", "end"}}}}}}
	}
	main = append(main, Block{"all_tasks"})
	for range g.IntN(4) {
		main = append(main, g.guarded(s, g.nudge(s)))
	}
	for _, name := range s.own[:min(len(s.own), 6)] {
		main = append(main, Block{"status", name})
	}
	if g.chance(30) {
		main = append(main, g.guarded(s, g.statement(s)), Block{"return", g.value()})
	}
	g.coros["main"] = main
}

// block makes n statements, some of them in a try.
func (g *generator) block(s *scope, n int) Block {
	b := make(Block, 0, n)
	for range n {
		b = append(b, g.guarded(s, g.statement(s)))
	}
	return b
}

// inner makes the body of a nested statement.
func (g *generator) inner(s *scope) Block {
	s.depth++
	defer func() { s.depth-- }()
	n := 1 + g.IntN(max(1, 5-s.depth))
	return g.block(s, n)
}

// guarded puts a try around a statement now and then.
func (g *generator) guarded(s *scope, stmt Block) Block {
	if stmt[0] == "try" || s.depth > 4 || !g.chance(40) {
		return stmt
	}
	return g.tryAround(s, Block{stmt})
}

var kinds = []string{
	"Error", "Error", "Error", "Error", "Any", "Any", "Cancelled", "Cancelled",
	"Cancelled", "Timeout", "Timeout", "Group", "Group", "Value", "Key",
}

func (g *generator) try(s *scope) Block { return g.tryAround(s, g.inner(s)) }

// tryAround makes a try with one or two handlers, and sometimes a final block.
func (g *generator) tryAround(s *scope, body Block) Block {
	stmt := Block{"try", body}
	handlers := Block{}
	for range 1 + g.IntN(10)/8 {
		handlers = append(handlers, Block{pick(g, kinds), g.handler(s)})
	}
	if g.chance(5) {
		handlers = Block{}
	}
	stmt = append(stmt, handlers)
	if g.chance(25) {
		s.depth += 2
		stmt = append(stmt, g.block(s, 1+g.IntN(2)))
		s.depth -= 2
	} else if g.chance(30) {
		stmt = append(stmt, nil)
	}
	return stmt
}

// handler makes a handler's body. It is often empty, often reraises the error, and sometimes
// suspends while its task is being cancelled.
func (g *generator) handler(s *scope) Block {
	inner := *s
	inner.caught = true
	inner.depth += 2
	var b Block
	for range g.IntN(3) {
		b = append(b, g.guarded(&inner, g.statement(&inner)))
	}
	if g.chance(30) {
		b = append(b, Block{"reraise"})
	}
	if b == nil {
		return Block{}
	}
	return b
}
