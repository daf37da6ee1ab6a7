package conformance_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/go-asyncio/asyncio/internal/conformance"
)

// TestRecordedTraces runs the scenarios of testdata and compares their traces with the recorded
// traces of CPython.
func TestRecordedTraces(t *testing.T) {
	files, err := filepath.Glob("testdata/*/*.traces.jsonl")
	if err != nil || len(files) == 0 {
		t.Fatal("no recorded traces", err)
	}
	for _, traces := range files {
		scenarios := strings.TrimSuffix(traces, ".traces.jsonl") + ".jsonl"
		t.Run(strings.TrimSuffix(filepath.Base(scenarios), ".jsonl"), func(t *testing.T) {
			t.Parallel()
			want := readLines(t, traces)
			got := readLines(t, scenarios)
			if len(got) != len(want) {
				t.Fatalf("%d scenarios, %d traces", len(got), len(want))
			}
			for i := range got {
				checkTrace(t, got[i], want[i])
			}
		})
	}
}

func readLines(t *testing.T, path string) [][]byte {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var lines [][]byte
	for n, line := range conformance.Lines(f) {
		if line.Err != nil {
			t.Fatalf("%s, line %d: %v", path, n, line.Err)
		}
		lines = append(lines, line.Text)
	}
	return lines
}

func checkTrace(t *testing.T, scenario, recorded []byte) {
	t.Helper()
	var want conformance.Trace
	if err := json.Unmarshal(recorded, &want); err != nil {
		t.Fatal(err)
	}
	sc, err := conformance.Decode(scenario)
	if err != nil {
		t.Fatalf("%s: %v", want.Name, err)
	}
	if sc.Name != want.Name {
		t.Fatalf("scenario %s stands at the trace of %s", sc.Name, want.Name)
	}
	if got := conformance.Run(sc); !slices.Equal(got, want.Trace) {
		t.Errorf("%s:\n%s%s", sc.Name, diff(want.Trace, got), scenario)
	}
}

// diff shows two traces from a little before the first line that differs.
func diff(want, got []string) string {
	n := 0
	for n < len(want) && n < len(got) && want[n] == got[n] {
		n++
	}
	var b strings.Builder
	from := max(0, n-3)
	for _, line := range want[from:n] {
		fmt.Fprintf(&b, "        %s\n", line)
	}
	for _, line := range want[n:min(n+5, len(want))] {
		fmt.Fprintf(&b, "  want  %s\n", line)
	}
	for _, line := range got[n:min(n+5, len(got))] {
		fmt.Fprintf(&b, "  got   %s\n", line)
	}
	return b.String()
}

func run(t *testing.T, scenario string) []string {
	t.Helper()
	sc, err := conformance.Decode([]byte(scenario))
	if err != nil {
		t.Fatal(err)
	}
	return conformance.Run(sc)
}

func TestRunawayScenarioIsStopped(t *testing.T) {
	got := run(t, `{"coros": {"main": [["try", [["repeat", 30000, [["log", "x"]]]], [["Any", []]], [["log", "y"]]]]}}`)
	if len(got) != 20_002 || got[20_000] != "0 main x" || got[20_001] != "RUNAWAY" {
		t.Errorf("got %d lines, the last %q", len(got), got[len(got)-1])
	}
}

// A callback's part of the trace ends with the rest, but the error goes to no task.
func TestARunawayCallbackFailsNoTask(t *testing.T) {
	got := run(t, `{"coros": {"main": [["repeat", 30000, [["call_soon", "x"]]], ["sleep", 0], ["log", "y"]]}}`)
	if len(got) != 20_002 || got[20_001] != "= nil" {
		t.Errorf("got %d lines, the last %q", len(got), got[len(got)-1])
	}
}

func TestReplayEqualsTheOracleByteForByte(t *testing.T) {
	for _, name := range []string{"core", "all"} {
		base := filepath.Join("testdata", "corpus", name)
		in, err := os.Open(base + ".jsonl")
		if err != nil {
			t.Fatal(err)
		}
		defer in.Close()
		want, err := os.ReadFile(base + ".traces.jsonl")
		if err != nil {
			t.Fatal(err)
		}
		var got bytes.Buffer
		if err := conformance.Replay(in, &got); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got.Bytes(), want) {
			t.Errorf("%s: the output differs from the recorded file", name)
		}
	}
}

func TestReplayQuotesAsPythonDoes(t *testing.T) {
	text := `<&> é "q" \ ` + "\U0001F40D\u2028\t"
	quoted, _ := json.Marshal(text)
	scenario := `{"name": "n", "coros": {"main": [["log", ` + string(quoted) + `]]}}`
	var got bytes.Buffer
	if err := conformance.Replay(strings.NewReader(scenario), &got); err != nil {
		t.Fatal(err)
	}
	want := `{"name": "n", "trace": ["0 main <&> \u00e9 \"q\" \\ \ud83d\udc0d\u2028\t", "= nil"]}` + "\n"
	if got.String() != want {
		t.Errorf("got  %swant %s", &got, want)
	}
}

func TestReplayTakesLongLines(t *testing.T) {
	text := strings.Repeat("x", 3<<20)
	scenario := `{"name": "long", "coros": {"main": [["log", "` + text + `"]]}}`
	var got bytes.Buffer
	if err := conformance.Replay(strings.NewReader(scenario+"\n"+scenario), &got); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(got.String(), "0 main "+text); n != 2 {
		t.Errorf("got %d traces, want 2", n)
	}
}

func TestMistakesInAScenarioAreReportedWithTheirPlace(t *testing.T) {
	for _, test := range []struct{ scenario, want string }{
		{`{"coros": `, "line 2: unexpected EOF"},
		{`[1]`, "line 2: json"},
		{`{} {}`, "line 2: more than one JSON value"},
		{`{"name": "x"}`, "line 2: no coros"},
		{`{"coros": {"main": ["log"]}}`, "coro main: statement 0 is not an array"},
		{`{"coros": {"main": [["sleep", 0], ["dance"]]}}`, `coro main: statement 1: unknown statement "dance"`},
		{`{"coros": {"main": [["sleep", "x"]]}}`, "sleep: x is not a whole number"},
		{`{"coros": {"main": [["sleep"]]}}`, "sleep: too few arguments"},
		{`{"coros": {"main": [["sleep", 1, 2]]}}`, "sleep: too many arguments"},
		{`{"coros": {"main": [["gather", ["x"], true]]}}`, `gather: "x" is not t:NAME or c:NAME`},
		{`{"coros": {"main": [["try", [["return"]], []]]}}`, "try: statement 0: return: too few arguments"},
		{`{"coros": {"main": []}, "objects": {"a": ["Lock"], "b": ["Mutex"]}}`, `objects: b: unknown kind "Mutex"`},
		{`{"coros": {"main": []}, "objects": {"b": ["Barrier"]}}`, "objects: b: too few arguments"},
		{`{"coros": {"main": [["wait", [], null, "SOME"]]}}`, `"SOME" is not ALL, FIRST or EXCEPTION`},
		{`{"coros": {"main": [["return", {}]]}}`, "return: a value is null"},
	} {
		in := `{"name": "ok", "coros": {"main": []}}` + "\n" + test.scenario
		var out bytes.Buffer
		err := conformance.Replay(strings.NewReader(in), &out)
		if err == nil || !strings.HasPrefix(err.Error(), "line 2: ") || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got error %v, want %q", test.scenario, err, test.want)
		}
		if !strings.Contains(out.String(), `"ok"`) {
			t.Errorf("%s: the line before was not answered", test.scenario)
		}
	}
}
