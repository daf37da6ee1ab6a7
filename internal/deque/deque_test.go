package deque

import (
	"container/list"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestZeroDequeIsEmpty(t *testing.T) {
	var d Deque[int]
	assert.Zero(t, d.Len())
	d.PushBack(1)
	assert.Equal(t, 1, d.Len())
	assert.Equal(t, 1, d.PopFront())
	assert.Zero(t, d.Len())
}

func TestFrontIsFirstInFirstOut(t *testing.T) {
	var d Deque[int]
	for i := range 1000 {
		d.PushBack(i)
	}
	for i := range 1000 {
		assert.Equal(t, i, d.PopFront())
	}
}

func TestBackIsLastInFirstOut(t *testing.T) {
	var d Deque[int]
	for i := range 1000 {
		d.PushBack(i)
	}
	for i := range 1000 {
		assert.Equal(t, 999-i, d.PopBack())
	}
}

// The ring grows with its front at any position, and the order stays.
func TestGrowthKeepsTheOrderWhereverTheFrontIs(t *testing.T) {
	for front := range minCap {
		var d Deque[int]
		for range front {
			d.PushBack(-1)
			d.PopFront()
		}
		const n = 4*minCap + 1
		for i := range n {
			d.PushBack(i)
		}
		for i := range n {
			assert.Equal(t, i, d.PopFront(), "front at %d", front)
		}
	}
}

func TestAQueueInSteadyUseDoesNotGrow(t *testing.T) {
	var d Deque[int]
	for i := range 100 * minCap {
		d.PushBack(i)
		if i >= minCap-1 {
			d.PopFront()
		}
	}
	assert.Len(t, d.ring, minCap)
}

func TestClearReleasesTheMemory(t *testing.T) {
	var d Deque[int]
	for i := range 1000 {
		d.PushBack(i)
	}
	d.Clear()
	assert.Zero(t, d.Len())
	assert.Nil(t, d.ring)
	d.PushBack(7)
	assert.Equal(t, 7, d.PopBack())
}

func TestPushAndPopAllocateNothing(t *testing.T) {
	var d Deque[int]
	d.PushBack(0)
	got := testing.AllocsPerRun(1000, func() {
		d.PushBack(1)
		d.PopFront()
	})
	assert.Zero(t, got)
}

// model is a Deque and the slice to which it must be equal.
type model struct {
	d    Deque[int]
	want []int
	next int
}

// step applies the operation op to the Deque and to the slice.
func (m *model) step(t *testing.T, op byte) {
	switch n := len(m.want); {
	case op == 255:
		m.d.Clear()
		m.want = nil
	case op%4 == 0 && n > 0:
		if got, want := m.d.PopFront(), m.want[0]; got != want {
			t.Fatalf("PopFront: got %d, want %d", got, want)
		}
		m.want = m.want[1:]
	case op%4 == 1 && n > 0:
		if got, want := m.d.PopBack(), m.want[n-1]; got != want {
			t.Fatalf("PopBack: got %d, want %d", got, want)
		}
		m.want = m.want[:n-1]
	default:
		m.next++ // never zero
		m.d.PushBack(m.next)
		m.want = append(m.want, m.next)
	}
	if got, want := m.d.Len(), len(m.want); got != want {
		t.Fatalf("Len: got %d, want %d", got, want)
	}
}

// check compares the whole ring. Outside the elements it must hold zeros, so that a popped value is
// not kept alive.
func (m *model) check(t *testing.T) {
	size := len(m.d.ring)
	if size&(size-1) != 0 {
		t.Fatalf("size of the ring: got %d, want a power of two", size)
	}
	for i := range size {
		want := 0
		if i < len(m.want) {
			want = m.want[i]
		}
		if got := m.d.ring[(m.d.head+i)%size]; got != want {
			t.Fatalf("place %d after the front: got %d, want %d", i, got, want)
		}
	}
}

func FuzzDeque(f *testing.F) {
	f.Add([]byte{2, 2, 2, 0, 1, 0})
	f.Add([]byte{2, 0, 2, 0, 255, 2, 1})
	f.Fuzz(func(t *testing.T, ops []byte) {
		var m model
		for i, op := range ops {
			m.step(t, op)
			if i < 64 {
				m.check(t)
			}
		}
		m.check(t)
	})
}

// Phases of growing and of shrinking alternate.
func TestRandomOperationsAgreeWithASlice(t *testing.T) {
	for seed := range uint64(100) {
		rnd := rand.New(rand.NewPCG(seed, 0))
		var m model
		for i := range 1000 {
			op := byte(rnd.IntN(4))
			if i/200%2 == 0 && rnd.IntN(2) == 0 {
				op = 2
			}
			m.step(t, op)
			m.check(t)
		}
	}
}

// One operation: a value is pushed onto a queue of 100 and the first is popped.
func BenchmarkPushBackPopFront(b *testing.B) {
	const n = 100
	b.Run("Deque", func(b *testing.B) {
		b.ReportAllocs()
		var d Deque[int]
		for i := range n {
			d.PushBack(i)
		}
		for i := range b.N {
			d.PushBack(i)
			d.PopFront()
		}
	})
	b.Run("slice", func(b *testing.B) {
		b.ReportAllocs()
		s := make([]int, n)
		for i := range b.N {
			s = append(s, i)[1:]
		}
	})
	b.Run("container/list", func(b *testing.B) {
		b.ReportAllocs()
		l := list.New()
		for i := range n {
			l.PushBack(i)
		}
		for i := range b.N {
			l.PushBack(i)
			l.Remove(l.Front())
		}
	})
	b.Run("channel", func(b *testing.B) {
		b.ReportAllocs()
		c := make(chan int, n+1)
		for i := range n {
			c <- i
		}
		for i := range b.N {
			c <- i
			<-c
		}
	})
}

// One operation: a value is pushed onto a stack of 100 and popped again.
func BenchmarkPushBackPopBack(b *testing.B) {
	const n = 100
	b.Run("Deque", func(b *testing.B) {
		b.ReportAllocs()
		var d Deque[int]
		for i := range n {
			d.PushBack(i)
		}
		for i := range b.N {
			d.PushBack(i)
			d.PopBack()
		}
	})
	b.Run("slice", func(b *testing.B) {
		b.ReportAllocs()
		s := make([]int, n)
		for i := range b.N {
			s = append(s, i)
			s = s[:n]
		}
		_ = s
	})
}

// One operation: a queue grows from nothing to 1,000 values.
func BenchmarkGrow(b *testing.B) {
	const n = 1000
	b.Run("Deque", func(b *testing.B) {
		b.ReportAllocs()
		for range b.N {
			var d Deque[int]
			for i := range n {
				d.PushBack(i)
			}
		}
	})
	b.Run("slice", func(b *testing.B) {
		b.ReportAllocs()
		for range b.N {
			var s []int
			for i := range n {
				s = append(s, i)
			}
			_ = s
		}
	})
}

// A ring that is too large is halved, wherever its front is, and the order stays.
func TestShrinkReleasesHalfOfTheMemoryOfABurst(t *testing.T) {
	for _, front := range []int{0, 1, 1000, 4000, 4095} {
		var d Deque[int]
		for range 4096 {
			d.PushBack(-1)
		}
		assert.False(t, d.IsLarge(), "it is full")
		for range front {
			d.PushBack(d.PopFront())
		}
		for d.Len() > 0 {
			d.PopFront()
		}
		for i := range 600 {
			d.PushBack(i)
		}
		for _, want := range []int{2048, 2048} { // 600 values are more than a quarter of 2048
			d.Shrink()
			assert.Equal(t, want, len(d.ring))
		}
		for i := range 600 {
			assert.Equal(t, i, d.At(i))
		}
		for i := range 600 {
			assert.Equal(t, i, d.PopFront())
		}
		for range 10 {
			d.Shrink()
		}
		assert.False(t, d.IsLarge())
		assert.Equal(t, maxSpare, len(d.ring))
		d.PushBack(7)
		assert.Equal(t, 7, d.PopFront())
	}
}
