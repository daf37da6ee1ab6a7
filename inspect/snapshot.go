package inspect

import (
	"cmp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-asyncio/asyncio"
)

// A snapshot is the state of a loop at one time. Its fields do not change. Only the loop's goroutine
// may use the tasks that it names; all else is for any goroutine.
type snapshot struct {
	at    time.Time     // when the loop had taken it
	held  time.Duration // time for which it kept the loop from other work
	stats asyncio.Stats
	tasks []asyncio.TaskInfo
	tables

	// The rest is made when a client first needs it, and shared by all.
	index   func() map[uint64]int32 // positions in tasks, by ID
	counts  func() counts
	created func() *forest   // tasks below those that created them
	awaited func() *forest   // tasks below those that await them
	rings   func() [][]int32 // tasks that wait for one another
	views   views
}

// Counts are numbers of tasks.
type counts struct {
	States map[asyncio.TaskState]int `json:"states"`
	Groups []group                   `json:"groups"` // the largest first
}

// A group are the tasks that wait for the same kind of thing.
type group struct {
	WaitsFor string `json:"waitsFor"`
	Tasks    int    `json:"tasks"`
}

// take takes a snapshot. The loop calls it. room is memory for the tasks, of length 0.
func take(loop *asyncio.Loop, room []asyncio.TaskInfo) *snapshot {
	begin := time.Now()
	s := newSnapshot(loop, loop.AppendSnapshot(room))
	s.tables = tables{loop.Servers(), loop.Streams(), loop.Queues()}
	s.at = time.Now()
	s.held = s.at.Sub(begin)
	return s
}

// newSnapshot makes a snapshot of some of the loop's tasks. The loop calls it.
func newSnapshot(loop *asyncio.Loop, tasks []asyncio.TaskInfo) *snapshot {
	s := &snapshot{tasks: tasks, stats: loop.Stats()}
	s.index = sync.OnceValue(s.makeIndex)
	s.counts = sync.OnceValue(s.count)
	s.created = sync.OnceValue(func() *forest { return s.grow(byCreators) })
	s.awaited = sync.OnceValue(func() *forest { return s.grow(byAwaiters) })
	s.rings = sync.OnceValue(func() [][]int32 { return s.grow(byWaiters).rings })
	return s
}

func byCreators(t *asyncio.TaskInfo, add func(above, below uint64)) { add(t.Parent, t.ID) }

func byAwaiters(t *asyncio.TaskInfo, add func(above, below uint64)) {
	for _, by := range t.AwaitedBy {
		add(by, t.ID)
	}
}

// byWaiters puts each task below those that cannot go on without it.
func byWaiters(t *asyncio.TaskInfo, add func(above, below uint64)) {
	for _, by := range t.NeededBy {
		add(by, t.ID)
	}
	add(t.ID, t.BlockedBy)
}

func (s *snapshot) makeIndex() map[uint64]int32 {
	index := make(map[uint64]int32, len(s.tasks))
	for i := range s.tasks {
		index[s.tasks[i].ID] = int32(i)
	}
	return index
}

// task returns the task with an ID, or nil.
func (s *snapshot) task(id uint64) *asyncio.TaskInfo {
	if i, ok := s.index()[id]; ok {
		return &s.tasks[i]
	}
	return nil
}

// maxGroups is the number of groups that are shown.
const maxGroups = 12

func (s *snapshot) count() counts {
	c := counts{States: make(map[asyncio.TaskState]int)}
	kinds := make(map[string]int)
	for i := range s.tasks {
		t := &s.tasks[i]
		c.States[t.State]++
		if t.State == asyncio.TaskWaiting {
			kinds[kind(t.WaitsFor)]++
		}
	}
	c.Groups = make([]group, 0, len(kinds))
	for name, n := range kinds {
		c.Groups = append(c.Groups, group{name, n})
	}
	slices.SortFunc(c.Groups, func(a, b group) int {
		return cmp.Or(cmp.Compare(b.Tasks, a.Tasks), cmp.Compare(a.WaitsFor, b.WaitsFor))
	})
	c.Groups = c.Groups[:min(len(c.Groups), maxGroups)]
	return c
}

// kind returns the part of a WaitsFor that many tasks have in common. A filter for it finds them.
func kind(waitsFor string) string {
	waitsFor, _, _ = strings.Cut(waitsFor, ", held by ")
	if strings.HasPrefix(waitsFor, "task ") && waitsFor != "task group" {
		return "task "
	}
	return waitsFor
}

// age returns the time since an instant of the loop's time, or -1 if that is not known.
func (s *snapshot) age(since time.Duration) time.Duration {
	if since == asyncio.Never {
		return -1
	}
	return max(0, s.stats.Time-since)
}
