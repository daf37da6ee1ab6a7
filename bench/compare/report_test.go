package main

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/go-asyncio/asyncio/bench/internal/lab"
)

// known returns results as they might be after three rounds. The machine is twice as slow in the
// second. There is no tokio.
func known() *results {
	timed := func(allocs float64, nanos ...float64) (costs []cost) {
		for _, n := range nanos {
			costs = append(costs, cost{done: 1, nanos: n, allocs: allocs, bytes: 16 * allocs})
		}
		return costs
	}
	memory := func(bytes float64) (costs []cost) {
		for range 3 {
			costs = append(costs, cost{done: 1, nanos: 1e6, perTask: bytes})
		}
		return costs
	}
	contenders := func(rival string) []contender {
		return []contender{{name: library, inGo: true}, {name: rival, inGo: true}, {name: uvloop}, {name: cpython}}
	}
	lock := row{
		workload: workload{name: "Lock", title: "lock, free", targets: []target{
			{rival: "sync.Mutex", most: 1}, {most: 0}, {rival: tokio, most: 1}, {rival: uvloop, most: 0.2}, {rival: cpython, most: 0.04}}},
		contenders: contenders("sync.Mutex"),
		costs:      [][]cost{timed(0, 5, 10, 5), timed(0, 10, 20, 20), timed(0, 50, 100, 50), timed(0, 100, 200, 100)},
	}
	gather := row{
		workload: workload{name: "Gather", title: "gather of 1,000 & more", each: 1000,
			targets: []target{{rival: "sync.Mutex", workload: "Lock", most: 1}, {most: 2}, {most: 1}}},
		contenders: contenders("errgroup"),
		costs: [][]cost{timed(1500, 4e6, 8e6, 4e6), timed(3000, 2e6, 4e6, 1e6),
			timed(0, 8e6, 16e6, 8e6), timed(0, 40e6, 80e6, 40e6)},
	}
	waiting := row{
		workload:   workload{name: "Waiting", title: "memory", memory: true, targets: []target{{rival: "channel", most: 1.25}}},
		contenders: contenders("channel"),
		costs:      [][]cost{memory(3000), memory(2400), memory(1500), memory(1000)},
	}
	grown := func(title, way string, costs ...[]cost) curve {
		return curve{way, row{workload{title: title}, []contender{{name: "16"}, {name: "160"}, {name: "1600"}}, costs}}
	}
	return &results{
		rounds: 3,
		time:   300 * time.Millisecond,
		peers: &peers{others: []peer{{name: tokio, absent: "there is no cargo here"},
			{name: uvloop, version: "0.17.0 on CPython 3.11.2"}, {name: cpython, version: "CPython 3.13.0"}}},
		rows: []row{lock, gather, waiting},
		growth: []curve{
			grown("switch, of n tasks", library, timed(0, 100, 200, 100), timed(0, 100, 220, 120), timed(0, 150, 300, 150)),
			grown("", "channel", timed(0, 200, 400, 200), timed(0, 200, 400, 200), timed(0, 500, 1000, 500)),
		},
	}
}

// rowsOf returns the lines of a table below its head.
func rowsOf(write func(s *strings.Builder)) string {
	var s strings.Builder
	write(&s)
	_, rows, _ := strings.Cut(s.String(), ":|\n")
	return rows
}

func checkText(t *testing.T, got, want string) {
	t.Helper()
	if want = strings.TrimPrefix(want, "\n"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestRatiosCompareWithinARound(t *testing.T) {
	r := known().rows[0]
	for i, want := range map[int]string{1: "[0.5 0.5 0.25]", 2: "[0.1 0.1 0.1]"} {
		if got := fmt.Sprint(r.ratios(r.figures(i))); got != want {
			t.Errorf("to %s: got %s, want %s", r.contenders[i].name, got, want)
		}
	}
}

func TestSummary(t *testing.T) {
	checkText(t, rowsOf(known().summary), `
| lock, free | **5.00 ns** | 20.0 ns (0.500) | 50.0 ns (0.100) | 100 ns (0.050) | absent |
| gather of 1,000 & more | **4.00 µs** | 2.00 µs (2.00) | 8.00 µs (0.500) | 40.0 µs (0.100) | absent |
| memory | **3000 B** | 2400 B (1.25) | 1500 B (2.00) | 1000 B (3.00) | absent |
`)
}

func TestTargets(t *testing.T) {
	var s strings.Builder
	known().targets(&s)
	_, got, _ := strings.Cut(s.String(), "---|\n")
	checkText(t, got, `
| lock, free | sync.Mutex | 1.00 | 0.500 | 0.250 to 0.500 | met |
| lock, free | allocations | 0 | 0.00 | | met |
| lock, free | tokio | 1.00 | | | absent |
| lock, free | uvloop | 0.200 | 0.100 | 0.100 to 0.100 | met |
| lock, free | asyncio | 0.040 | 0.050 | 0.050 to 0.050 | **missed** |
| gather of 1,000 & more | sync.Mutex | 1.00 | 400 | 200 to 400 | **missed** |
| gather of 1,000 & more | allocations | 2 | 1.50 | | met |
| gather of 1,000 & more | allocations | 1 | 1.50 | | **missed** |
| memory | channel | 1.25 | 1.25 | 1.25 to 1.25 | met |

Behind uvloop: memory (2.00).

Behind asyncio: memory (3.00).
`)
}

func TestGrowth(t *testing.T) {
	checkText(t, rowsOf(known().growthTable), `
| switch, of n tasks | this library | 16 | 100 ns | 120 ns (1.10) | 150 ns (1.50) |
|  | channel | 16 | 200 ns | 200 ns (1.00) | 500 ns (2.50) |
`)
}

func TestAllFigures(t *testing.T) {
	checkText(t, rowsOf(known().details), `
| lock, free | this library | 5.00 ns | 5.00 ns | 10.0 ns |  | 0.00 | 0 |
|  | sync.Mutex | 20.0 ns | 10.0 ns | 20.0 ns | 0.500 | 0.00 | 0 |
|  | uvloop | 50.0 ns | 50.0 ns | 100 ns | 0.100 |  |  |
|  | asyncio | 100 ns | 100 ns | 200 ns | 0.050 |  |  |
| gather of 1,000 & more | this library | 4.00 µs | 4.00 µs | 8.00 µs |  | 1.50 | 24 |
|  | errgroup | 2.00 µs | 1.00 µs | 4.00 µs | 2.00 | 3.00 | 48 |
|  | uvloop | 8.00 µs | 8.00 µs | 16.0 µs | 0.500 |  |  |
|  | asyncio | 40.0 µs | 40.0 µs | 80.0 µs | 0.100 |  |  |
| memory | this library | 3000 B | 3000 B | 3000 B |  | 0.00 | 0 |
|  | channel | 2400 B | 2400 B | 2400 B | 1.25 | 0.00 | 0 |
|  | uvloop | 1500 B | 1500 B | 1500 B | 2.00 |  |  |
|  | asyncio | 1000 B | 1000 B | 1000 B | 3.00 |  |  |
`)
}

func TestShort(t *testing.T) {
	checkText(t, known().short(), fmt.Sprintf(`
| | costs more than here | median | costs less than here |
|---|--:|--:|---|
| plain Go | in 1 of 3 rows | × 0.800 | gather of 1,000 & more (× 0.500); memory (× 0.800) |
| tokio | absent: there is no cargo here | | |
| uvloop | in 2 of 3 rows | × 2.00 | memory (× 0.500) |
| asyncio | in 2 of 3 rows | × 10.0 | memory (× 0.333) |

%s, %d CPUs, %s, %s.
`, lab.Processor(), runtime.NumCPU(), lab.System(), runtime.Version()))
}

func TestThePageNamesTheMachineAndTheVersions(t *testing.T) {
	page := known().page(t.Context())
	for _, want := range []string{
		"Medians of 3 rounds of at least 300ms each.", lab.Processor(), lab.System(),
		"| Go | " + strings.TrimPrefix(runtime.Version(), "go") + " |\n", "| sourcegraph/conc | v",
		"| tokio | absent: there is no cargo here |\n", "| uvloop | 0.17.0 on CPython 3.11.2 |\n", "| asyncio | CPython 3.13.0 |\n",
		"\n## Compared with the alternatives\n", "\n## Targets\n", "\n## Growth\n", "\n## All figures\n",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("got\n%s\nwant %q in it", page, want)
		}
	}
	if strings.Contains(page, "NaN") || strings.Contains(page, "Inf") || strings.Contains(page, "%!") {
		t.Errorf("got\n%s\nwant numbers and nothing else", page)
	}
}

// With -run, few workloads or none may have been measured.
func TestThePageMayHaveOnlySomeOfTheRows(t *testing.T) {
	r := known()
	r.growth = nil
	r.rows = r.rows[1:] // removes the row that the next row's target is about
	if got := rowsOf(r.targets); strings.Contains(got, "sync.Mutex | 1.00 | 400") {
		t.Errorf("got\n%s\nwant no figures of a row that is not there", got)
	}
	r.rows = nil
	for name, text := range map[string]string{"page": r.page(t.Context()), "chart": r.chart()} {
		if strings.Contains(text, "NaN") {
			t.Errorf("%s: got\n%s\nwant no figures", name, text)
		}
	}
}

func TestFiguresHaveThreeDigitsAndAUnit(t *testing.T) {
	for _, test := range []struct {
		figure float64
		memory bool
		want   string
	}{
		{0.0004, false, "0.000 ns"}, {0.0123, false, "0.012 ns"}, {2.224, false, "2.22 ns"}, {99.96, false, "100 ns"},
		{100, false, "100 ns"}, {999.4, false, "999 ns"}, {999.6, false, "1.00 µs"}, {123_456, false, "123 µs"},
		{1e6, false, "1.00 ms"}, {1.384e9, false, "1.38 s"}, {1e13, false, "10000 s"}, {0, false, "0 ns"},
		{208, true, "208 B"}, {3312, true, "3312 B"},
	} {
		if got := (row{workload: workload{memory: test.memory}}).show(test.figure); got != test.want {
			t.Errorf("of %v: got %q, want %q", test.figure, got, test.want)
		}
	}
}
