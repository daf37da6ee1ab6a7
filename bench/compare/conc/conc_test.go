// Package conc holds the benchmarks of sourcegraph/conc. An operation is the same as in the
// library's benchmark of the same name.
package conc

import (
	"context"
	"os"
	"testing"

	"github.com/sourcegraph/conc/pool"
)

func answer(context.Context) (int, error) { return 42, nil }

func BenchmarkCreateAwait(b *testing.B) {
	b.Run("conc", func(b *testing.B) {
		b.ReportAllocs()
		sum := 0
		for b.Loop() {
			sum += gather(b, 1)
		}
		expect(b, sum, 42*b.N)
	})
}

func BenchmarkGather1000(b *testing.B) {
	b.Run("conc", func(b *testing.B) {
		b.ReportAllocs()
		sum := 0
		for b.Loop() {
			sum += gather(b, 1000)
		}
		expect(b, sum, 42_000*b.N)
	})
}

// gather starts n goroutines and returns the sum of their results.
func gather(b *testing.B, n int) (sum int) {
	p := pool.NewWithResults[int]().WithContext(b.Context())
	for range n {
		p.Go(answer)
	}
	results, err := p.Wait()
	if err != nil {
		b.Fatal(err)
	}
	for _, v := range results {
		sum += v
	}
	return sum
}

func expect(b *testing.B, got, want int) {
	if got != want || os.Getenv("BENCH_MISCOUNT") != "" { // the tests of compare set it
		b.Fatalf("counted %d, want %d", got, want)
	}
}
