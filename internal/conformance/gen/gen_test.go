package gen_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/go-asyncio/asyncio/internal/conformance"
	"github.com/go-asyncio/asyncio/internal/conformance/gen"
)

func marshal(t *testing.T, profile string, seed uint64) []byte {
	t.Helper()
	text, err := json.Marshal(gen.New(profile, seed))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestScenarioIsAFunctionOfItsSeed(t *testing.T) {
	for _, profile := range gen.Profiles() {
		a := marshal(t, profile, 7)
		if b := marshal(t, profile, 7); !bytes.Equal(a, b) {
			t.Errorf("%s: two scenarios of one seed", profile)
		}
		if b := marshal(t, profile, 8); bytes.Equal(a, b) {
			t.Errorf("%s: one scenario of two seeds", profile)
		}
	}
}

func TestScenariosAreInTheLanguage(t *testing.T) {
	for _, profile := range gen.Profiles() {
		for seed := range uint64(30) {
			text := marshal(t, profile, seed)
			if _, err := conformance.Decode(text); err != nil {
				t.Fatalf("%s, seed %d: %v\n%s", profile, seed, err, text)
			}
		}
	}
}

func TestEveryStatementIsMade(t *testing.T) {
	made := map[string]int{}
	for _, name := range conformance.Statements() {
		made[name] = 0
	}
	for _, profile := range gen.Profiles() {
		for seed := range uint64(30) {
			var sc struct{ Coros map[string]any }
			if err := json.Unmarshal(marshal(t, profile, seed), &sc); err != nil {
				t.Fatal(err)
			}
			for _, body := range sc.Coros {
				count(made, body)
			}
		}
	}
	for name, n := range made {
		if n < 20 {
			t.Errorf("%s was made %d times", name, n)
		}
	}
}

// count counts the statements in v: the arrays that begin with a statement's name.
func count(made map[string]int, v any) {
	list, _ := v.([]any)
	if len(list) == 0 {
		return
	}
	if op, ok := list[0].(string); ok {
		if _, ok := made[op]; ok {
			made[op]++
		}
	}
	for _, inner := range list {
		count(made, inner)
	}
}

// A scenario that deadlocks, or in which nothing happens, tests little.
func TestMostScenariosAreWorthRunning(t *testing.T) {
	const each = 25
	total, deadlocks, short := 0, 0, 0
	for _, profile := range gen.Profiles() {
		for seed := range uint64(each) {
			sc, err := conformance.Decode(marshal(t, profile, seed))
			if err != nil {
				t.Fatal(err)
			}
			trace := conformance.Run(sc)
			total++
			if trace[len(trace)-1] == "DEADLOCK" {
				deadlocks++
			}
			if len(trace) < 5 {
				short++
			}
			for _, line := range trace {
				if strings.Contains(line, "panic") {
					t.Errorf("%s: %s", sc.Name, line)
				}
			}
		}
	}
	if deadlocks > total/4 || short > total/6 {
		t.Errorf("of %d scenarios %d deadlock and %d have less than 5 events", total, deadlocks, short)
	}
}
