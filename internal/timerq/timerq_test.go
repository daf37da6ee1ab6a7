package timerq

import (
	"cmp"
	"container/heap"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// popAll removes all timers that are due and returns their values in order.
func popAll(q *Queue[int], now time.Duration) (values []int) {
	for t := q.Pop(now); t != nil; t = q.Pop(now) {
		values = append(values, t.Value)
	}
	return values
}

// timers returns n timers with their numbers as values.
func timers(n int) []Timer[int] {
	ts := make([]Timer[int], n)
	for i := range ts {
		ts[i].Value = i
	}
	return ts
}

func TestZeroQueueIsEmpty(t *testing.T) {
	var q Queue[int]
	assert.Zero(t, q.Len())
	_, ok := q.Next()
	assert.False(t, ok)
	assert.Nil(t, q.Pop(1<<62))
	q.Clear()
	assert.Zero(t, q.Len())
}

func TestTimersArePoppedByDeadline(t *testing.T) {
	var q Queue[int]
	ts := timers(100)
	for i, j := range rand.New(rand.NewPCG(1, 0)).Perm(len(ts)) {
		q.Set(&ts[j], time.Duration(j))
		assert.Equal(t, i+1, q.Len())
	}
	for i := range ts {
		when, ok := q.Next()
		assert.True(t, ok)
		assert.Equal(t, time.Duration(i), when)
		assert.Nil(t, q.Pop(when-1), "not due yet")
		assert.Same(t, &ts[i], q.Pop(when))
	}
	assert.Zero(t, q.Len())
}

func TestTimersWithEqualDeadlinesArePoppedInTheOrderOfSetting(t *testing.T) {
	var q Queue[int]
	ts := timers(1000)
	var want []int
	for i := range ts {
		q.Set(&ts[i], time.Duration(i%2))
	}
	for i := range ts { // a timer that is set again comes last
		if i%10 == 0 {
			q.Stop(&ts[i])
			q.Set(&ts[i], 1)
		}
	}
	for i := range ts {
		if i%2 == 0 && i%10 != 0 {
			want = append(want, i)
		}
	}
	for i := range ts {
		if i%2 == 1 {
			want = append(want, i)
		}
	}
	for i := 0; i < len(ts); i += 10 {
		want = append(want, i)
	}
	assert.Equal(t, want, popAll(&q, 1))
}

func TestDeadlinesMayBeNegative(t *testing.T) {
	var q Queue[int]
	ts := timers(3)
	q.Set(&ts[0], 1)
	q.Set(&ts[1], -1<<63)
	q.Set(&ts[2], -1)
	assert.Equal(t, []int{1, 2}, popAll(&q, 0))
}

func TestAStoppedTimerIsNotPopped(t *testing.T) {
	var q Queue[int]
	ts := timers(3)
	for i := range ts {
		q.Set(&ts[i], time.Duration(i))
	}
	q.Stop(&ts[0])
	q.Stop(&ts[0]) // stopping an idle timer does nothing
	q.Stop(&ts[2])
	assert.Equal(t, 1, q.Len())
	when, ok := q.Next()
	assert.True(t, ok)
	assert.Equal(t, time.Duration(1), when)
	assert.Equal(t, []int{1}, popAll(&q, 10))
	_, ok = q.Next()
	assert.False(t, ok)
	assert.Empty(t, q.heap, "stale entries are removed when they reach the top")
}

func TestTakeIsTrueOnceAndOnlyWhenDue(t *testing.T) {
	var q Queue[int]
	var tm Timer[int]
	assert.False(t, tm.Take(), "at rest")
	q.Set(&tm, 1)
	assert.False(t, tm.Take(), "set")
	assert.Same(t, &tm, q.Pop(1))
	assert.True(t, tm.Take(), "due")
	assert.False(t, tm.Take(), "taken")

	q.Set(&tm, 2)
	q.Pop(2)
	q.Stop(&tm)
	assert.False(t, tm.Take(), "stopped when it was due")

	q.Set(&tm, 3)
	assert.Equal(t, 1, q.Len(), "it can be set again")
	q.Pop(3)
	assert.True(t, tm.Take())
}

// A timer was popped, stopped and set again before its owner took it. It is not due for the owner.
func TestATimerThatIsSetAgainIsNoLongerDue(t *testing.T) {
	var q Queue[int]
	var tm Timer[int]
	q.Set(&tm, 1)
	popped := q.Pop(1)
	q.Stop(&tm)
	q.Set(&tm, 5)
	assert.False(t, popped.Take())
	assert.Same(t, &tm, q.Pop(5))
}

func TestClearStopsAllTimers(t *testing.T) {
	var q Queue[int]
	ts := timers(10)
	for i := range ts {
		q.Set(&ts[i], time.Duration(i))
	}
	q.Stop(&ts[5])
	due := q.Pop(0)
	q.Clear()
	assert.Zero(t, q.Len())
	assert.True(t, due.Take(), "Clear leaves timers that are out of the queue alone")
	for i := range ts {
		assert.False(t, ts[i].Take())
		q.Stop(&ts[i])
		assert.Equal(t, i, q.Len())
		q.Set(&ts[i], time.Duration(-i))
	}
	assert.Equal(t, []int{9, 8, 7, 6, 5, 4, 3, 2, 1, 0}, popAll(&q, 0))
}

// Timers that are set and stopped, like a program's timeouts, leave nothing in the queue, whatever
// else it holds.
func TestStoppedTimersDoNotPileUp(t *testing.T) {
	for _, live := range []int{0, 1, 100, 1000} {
		var q Queue[int]
		ts := timers(live)
		for i := range ts {
			q.Set(&ts[i], time.Duration(1_000_000-i))
		}
		most := 0
		for i := range 100_000 {
			var tm Timer[int]
			q.Set(&tm, time.Duration(2_000_000+i))
			q.Stop(&tm)
			most = max(most, len(q.heap))
		}
		assert.LessOrEqual(t, most, live+1, "%d live ones", live)
		assert.Equal(t, live, q.Len())
		for i, v := range popAll(&q, 1_000_000) {
			if v != live-1-i {
				t.Fatalf("%d live ones, number %d: got %d, want %d", live, i, v, live-1-i)
			}
		}
	}
}

// A queue comes out in order after half of it was stopped at random.
func TestPruningKeepsTheOrder(t *testing.T) {
	const n = 10_000
	rnd := rand.New(rand.NewPCG(1, 0))
	var q Queue[int]
	ts := timers(n)
	when := make([]time.Duration, n)
	for i := range ts {
		when[i] = time.Duration(rnd.IntN(100))
		q.Set(&ts[i], when[i])
	}
	stopped := make([]bool, n)
	for _, i := range rnd.Perm(n)[:n*3/4] {
		stopped[i] = true
		q.Stop(&ts[i])
	}
	var want []int
	for i := range ts {
		if !stopped[i] {
			want = append(want, i)
		}
	}
	slices.SortStableFunc(want, func(a, b int) int { return cmp.Compare(when[a], when[b]) })
	assert.Len(t, want, q.Len())
	assert.Len(t, q.heap, q.Len())
	assert.Equal(t, want, popAll(&q, 100))
}

func TestUseAllocatesNothing(t *testing.T) {
	var q Queue[int]
	ts := timers(100)
	for i := range ts {
		q.Set(&ts[i], time.Duration(i))
	}
	var tm Timer[int]
	got := testing.AllocsPerRun(1000, func() {
		q.Set(&tm, -1)
		q.Pop(0)
		tm.Take()
		q.Set(&tm, 1000)
		q.Stop(&tm)
	})
	assert.Zero(t, got)
}

// model is a Queue and the model to which it must be equal: its timers in a sorted slice.
type model struct {
	q      Queue[int]
	timers []Timer[int]
	state  []state
	queue  []modelEntry // sorted; only timers that are set
}

type state uint8

const (
	atRest state = iota
	isSet
	isDue
)

type modelEntry struct {
	when  time.Duration
	timer int
}

func newModel(n int) *model {
	return &model{timers: timers(n), state: make([]state, n)}
}

// step applies the operation op, with its argument arg, to the Queue and to the slice.
func (m *model) step(t *testing.T, op, arg byte) {
	i := int(arg) % len(m.timers)
	switch tm := &m.timers[i]; op % 8 {
	case 0, 1, 2:
		if m.state[i] != isSet {
			m.q.Stop(tm) // a due timer becomes idle
			m.set(i, time.Duration(op/8))
		}
	case 3:
		m.q.Stop(tm)
		m.unset(i)
		m.state[i] = atRest
	case 4, 5:
		m.pop(t, time.Duration(arg)/8)
	case 6:
		if got, want := tm.Take(), m.state[i] == isDue; got != want {
			t.Fatalf("Take of timer %d: got %v, want %v", i, got, want)
		}
		if m.state[i] == isDue {
			m.state[i] = atRest
		}
	case 7:
		if op == 255 {
			m.q.Clear()
			for _, e := range m.queue {
				m.state[e.timer] = atRest
			}
			m.queue = nil
		}
	}
	m.check(t)
}

func (m *model) set(i int, when time.Duration) {
	m.q.Set(&m.timers[i], when)
	m.state[i] = isSet
	at, _ := slices.BinarySearchFunc(m.queue, when, func(e modelEntry, when time.Duration) int {
		return cmp.Or(cmp.Compare(e.when, when), -1) // after the equal ones
	})
	m.queue = slices.Insert(m.queue, at, modelEntry{when, i})
}

func (m *model) unset(i int) {
	m.queue = slices.DeleteFunc(m.queue, func(e modelEntry) bool { return e.timer == i })
}

func (m *model) pop(t *testing.T, now time.Duration) {
	got := m.q.Pop(now)
	switch {
	case len(m.queue) == 0 || m.queue[0].when > now:
		if got != nil {
			t.Fatalf("Pop(%d): got timer %d, want none", now, got.Value)
		}
	case got == nil || got.Value != m.queue[0].timer:
		t.Fatalf("Pop(%d): got %v, want timer %d", now, got, m.queue[0].timer)
	default:
		m.state[got.Value] = isDue
		m.queue = m.queue[1:]
	}
}

func (m *model) check(t *testing.T) {
	if got, want := m.q.Len(), len(m.queue); got != want {
		t.Fatalf("Len: got %d, want %d", got, want)
	}
	when, ok := m.q.Next()
	if want := len(m.queue) > 0; ok != want {
		t.Fatalf("Next: got %v, want %v", ok, want)
	}
	if ok && when != m.queue[0].when {
		t.Fatalf("Next: got %d, want %d", when, m.queue[0].when)
	}
}

// invariants checks the structure of the heap.
func (m *model) invariants(t *testing.T) {
	h := m.q.heap
	for i := range h {
		if i > 0 && !h[(i-1)/arity].before(&h[i]) {
			t.Fatalf("entry %d of the heap is before its parent", i)
		}
		if got, want := h[i].timer.at, i+1; got != want {
			t.Fatalf("place of the timer of entry %d: got %d, want %d", i, got, want)
		}
	}
	for _, e := range h[len(h):cap(h)] {
		if e.timer != nil {
			t.Fatal("an entry outside of the heap keeps its timer alive")
		}
	}
}

// drain pops all the remaining timers.
func (m *model) drain(t *testing.T) {
	for len(m.queue) > 0 {
		m.pop(t, 1<<62)
	}
	m.check(t)
}

func FuzzTimerQueue(f *testing.F) {
	f.Add([]byte{0, 1, 8, 2, 0, 3, 4, 255, 6, 1, 3, 2})
	f.Add([]byte{0, 1, 0, 2, 3, 1, 0, 1, 5, 255, 5, 255, 255, 0})
	f.Fuzz(func(t *testing.T, ops []byte) {
		m := newModel(256)
		for i := 0; i+1 < len(ops); i += 2 {
			m.step(t, ops[i], ops[i+1])
			if i < 128 {
				m.invariants(t)
			}
		}
		m.invariants(t)
		m.drain(t)
	})
}

// Phases of setting and of stopping timers alternate, so that the heap is pruned.
func TestRandomOperationsAgreeWithASortedSlice(t *testing.T) {
	for seed := range uint64(50) {
		rnd := rand.New(rand.NewPCG(seed, 0))
		m := newModel(256)
		for i := range 4000 {
			op := byte(rnd.IntN(256))
			if rnd.IntN(2) == 0 {
				op = op&^7 | byte(3*(i/500%2)) // set or stop
			}
			m.step(t, op, byte(rnd.IntN(256)))
			if i%16 == 0 {
				m.invariants(t)
			}
		}
		m.drain(t)
	}
}

// naive is the queue that the documentation of container/heap suggests: an element knows its index,
// and is removed when it is stopped.
type naive []*naiveTimer

type naiveTimer struct {
	when  time.Duration
	seq   uint64
	index int
}

func (h naive) Len() int { return len(h) }
func (h naive) Less(i, j int) bool {
	return h[i].when < h[j].when || h[i].when == h[j].when && h[i].seq < h[j].seq
}
func (h naive) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}
func (h *naive) Push(x any) {
	t := x.(*naiveTimer)
	t.index = len(*h)
	*h = append(*h, t)
}
func (h *naive) Pop() any {
	old := *h
	n := len(old) - 1
	t := old[n]
	old[n] = nil
	*h = old[:n]
	return t
}

// deadlines returns instants within a second, in no order.
func deadlines() []time.Duration {
	rnd := rand.New(rand.NewPCG(1, 0))
	ds := make([]time.Duration, 1<<16)
	for i := range ds {
		ds[i] = time.Duration(rnd.Int64N(int64(time.Second)))
	}
	return ds
}

// benchSizes runs a benchmark with different numbers of timers in the queue beside the one that it
// measures.
func benchSizes(b *testing.B, queue func(b *testing.B, live int), naive func(b *testing.B, live int)) {
	for _, live := range []int{1_000, 1_000_000} {
		b.Run(fmt.Sprintf("timerq/%d", live), func(b *testing.B) { queue(b, live) })
		b.Run(fmt.Sprintf("container_heap/%d", live), func(b *testing.B) { naive(b, live) })
	}
}

func benchQueue(live int, ds []time.Duration) *Queue[int] {
	q := &Queue[int]{}
	ts := timers(live)
	for i := range ts {
		q.Set(&ts[i], ds[i%len(ds)])
	}
	return q
}

func benchNaive(live int, ds []time.Duration) (h *naive, seq uint64) {
	h = &naive{}
	for i := range live {
		seq++
		heap.Push(h, &naiveTimer{when: ds[i%len(ds)], seq: seq})
	}
	return h, seq
}

// One operation: a timer is set and stopped again, like a timeout that does not expire.
func BenchmarkSetStop(b *testing.B) {
	ds := deadlines()
	benchSizes(b, func(b *testing.B, live int) {
		q := benchQueue(live, ds)
		var tm Timer[int]
		b.ReportAllocs()
		b.ResetTimer()
		for i := range b.N {
			q.Set(&tm, ds[i%len(ds)])
			q.Stop(&tm)
		}
	}, func(b *testing.B, live int) {
		h, seq := benchNaive(live, ds)
		var tm naiveTimer
		b.ReportAllocs()
		b.ResetTimer()
		for i := range b.N {
			seq++
			tm = naiveTimer{when: ds[i%len(ds)], seq: seq}
			heap.Push(h, &tm)
			heap.Remove(h, tm.index)
		}
	})
}

// One operation: the earliest timer is popped and set again for later, like a sleep in a loop.
func BenchmarkSetPop(b *testing.B) {
	ds := deadlines()
	benchSizes(b, func(b *testing.B, live int) {
		q := benchQueue(live, ds)
		b.ReportAllocs()
		b.ResetTimer()
		for i := range b.N {
			when, _ := q.Next()
			t := q.Pop(when)
			t.Take()
			q.Set(t, when+ds[i%len(ds)])
		}
	}, func(b *testing.B, live int) {
		h, seq := benchNaive(live, ds)
		b.ReportAllocs()
		b.ResetTimer()
		for i := range b.N {
			seq++
			t := heap.Pop(h).(*naiveTimer)
			t.when, t.seq = t.when+ds[i%len(ds)], seq
			heap.Push(h, t)
		}
	})
}

// One operation: live timers are set, half of them are stopped, and the others are popped.
func BenchmarkSetHalfStopped(b *testing.B) {
	ds := deadlines()
	benchSizes(b, func(b *testing.B, live int) {
		ts := timers(live)
		b.ReportAllocs()
		for range b.N {
			var q Queue[int]
			for i := range ts {
				q.Set(&ts[i], ds[i%len(ds)])
			}
			for i := 0; i < live; i += 2 {
				q.Stop(&ts[i])
			}
			for t := q.Pop(time.Second); t != nil; t = q.Pop(time.Second) {
				t.Take()
			}
		}
	}, func(b *testing.B, live int) {
		ts := make([]naiveTimer, live)
		b.ReportAllocs()
		for range b.N {
			var h naive
			for i := range ts {
				ts[i] = naiveTimer{when: ds[i%len(ds)], seq: uint64(i)}
				heap.Push(&h, &ts[i])
			}
			for i := 0; i < live; i += 2 {
				heap.Remove(&h, ts[i].index)
			}
			for len(h) > 0 {
				heap.Pop(&h)
			}
		}
	})
}

func TestReachingASizeAllocatesAFewTimesThatSize(t *testing.T) {
	const n = 100_000
	var q Queue[int]
	ts := timers(n)
	allocated, last := 0, 0
	for i := range ts {
		q.Set(&ts[i], time.Duration(i))
		if c := q.Cap(); c != last {
			allocated += c
			last = c
		}
	}
	assert.LessOrEqual(t, allocated, 4*n, "entries")
}

func TestShrinkReleasesHalfOfTheMemoryOfABurst(t *testing.T) {
	var q Queue[int]
	ts := timers(10_000)
	for i := range ts {
		q.Set(&ts[i], time.Duration(i))
	}
	most := cap(q.heap)
	assert.False(t, q.IsLarge(), "it is full")
	for i := range ts[100:] {
		q.Stop(&ts[100+i])
	}
	assert.True(t, q.IsLarge())
	q.Shrink()
	assert.Equal(t, most/2, cap(q.heap))
	for q.IsLarge() {
		q.Shrink()
	}
	assert.LessOrEqual(t, cap(q.heap), maxSpare)
	q.Stop(&ts[0])
	got := popAll(&q, 10_000)
	assert.Len(t, got, 99)
	assert.IsIncreasing(t, got)
}
