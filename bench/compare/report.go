package main

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"github.com/go-asyncio/asyncio/bench/internal/lab"
)

// page returns the text of RESULTS.md.
func (r *results) page(ctx context.Context) string {
	var s strings.Builder
	s.WriteString("# Results\n\n`make bench` writes this page. The benchmark of the same name in `bench_*_test.go`\n" +
		"defines an operation; [README.md](README.md) describes how it is measured.\n\n")
	r.circumstances(ctx, &s)
	s.WriteString("\n## Compared with the alternatives\n\nThe cost of an operation and, in brackets, this library's cost as a multiple of it: below 1, this\n" +
		"library costs less. *Go* is the usual way in plain Go.\n\n")
	r.summary(&s)
	s.WriteString("\n## Targets\n\n")
	r.targets(&s)
	s.WriteString("\n## Growth\n\nThe cost of an operation at 10 and 100 times the size and, in brackets, as a multiple of the cost at\n" +
		"the first size. A cost proportional to the size would be 10 and 100 times as high. A smaller growth\n" +
		"comes from the processor's caches, which hold less of the memory. Where plain Go does nearly the same\n" +
		"work, it is listed below.\n\n")
	r.growthTable(&s)
	s.WriteString("\n## All figures\n\nMedians of all rounds, with the lowest and the highest. Ratios are this library's cost as a multiple\n" +
		"of the other's in the same round. Allocations are the allocations of an operation, in Go.\n\n")
	r.details(&s)
	return s.String()
}

// circumstances writes on which machine, with which versions and how the measurements were made.
func (r *results) circumstances(ctx context.Context, s *strings.Builder) {
	fmt.Fprintf(s, "Medians of %d rounds of at least %v each.\n\n", r.rounds, r.time)
	fmt.Fprintf(s, "| | |\n|---|---|\n| machine | %s, %d CPUs, %s |\n", lab.Processor(), runtime.NumCPU(), lab.System())
	fmt.Fprintf(s, "| Go | %s |\n", strings.TrimPrefix(runtime.Version(), "go"))
	fmt.Fprintf(s, "| %s | %s |\n", conc, lab.Output(ctx, ".", "go", "list", "-m", "-f", "{{.Version}}", "github.com/sourcegraph/conc"))
	for _, p := range r.peers.others {
		fmt.Fprintf(s, "| %s | %s |\n", p.name, cmp.Or(p.version, "absent: "+p.absent))
	}
}

// summary writes a table with a row for each workload and a column for each peer.
func (r *results) summary(s *strings.Builder) {
	columns := []string{uvloop, cpython, tokio}
	fmt.Fprintf(s, "| | %s | Go | %s |\n|---|--:|--:|%s\n", library, strings.Join(columns, " | "), strings.Repeat("--:|", len(columns)))
	for _, row := range r.rows {
		fmt.Fprintf(s, "| %s | **%s** |", row.title, row.show(lab.Median(row.figures(0))))
		for _, i := range slices.Concat([]int{1}, find(row, columns)) {
			if i < 0 {
				s.WriteString(" absent |")
				continue
			}
			theirs := row.figures(i)
			fmt.Fprintf(s, " %s (%s) |", row.show(lab.Median(theirs)), digits(lab.Median(row.ratios(theirs))))
		}
		s.WriteString("\n")
	}
}

func find(r row, names []string) []int {
	found := make([]int, len(names))
	for i, name := range names {
		found[i] = r.find(name)
	}
	return found
}

// targets writes which targets are met.
func (r *results) targets(s *strings.Builder) {
	s.WriteString("| | against | at most | is | from round to round | |\n|---|---|--:|--:|--:|---|\n")
	for _, row := range r.rows {
		for _, t := range row.workload.targets {
			if t.rival == "" {
				allocs := row.allocs(0)
				fmt.Fprintf(s, "| %s | allocations | %.0f | %.2f | | %s |\n", row.title, t.most, allocs, verdict(allocs, t.most+0.005))
				continue
			}
			ratios := r.against(row, t)
			if ratios == nil {
				fmt.Fprintf(s, "| %s | %s | %s | | | absent |\n", row.title, t.rival, digits(t.most))
				continue
			}
			is := lab.Median(ratios)
			fmt.Fprintf(s, "| %s | %s | %s | %s | %s to %s | %s |\n", row.title, t.rival, digits(t.most), digits(is),
				digits(slices.Min(ratios)), digits(slices.Max(ratios)), verdict(is, t.most))
		}
	}
	for _, name := range []string{uvloop, cpython} {
		if behind := r.behind(name); len(behind) > 0 {
			fmt.Fprintf(s, "\nBehind %s: %s.\n", name, strings.Join(behind, "; "))
		} else {
			fmt.Fprintf(s, "\nAhead of %s on every row.\n", name)
		}
	}
}

// against returns the ratios that a target is about, or nil if its rival is absent.
func (r *results) against(ours row, t target) []float64 {
	theirs := ours
	if t.workload != "" {
		i := slices.IndexFunc(r.rows, func(other row) bool { return other.name == t.workload })
		if i < 0 {
			return nil
		}
		theirs = r.rows[i]
	}
	i := theirs.find(t.rival)
	if i < 0 {
		return nil
	}
	return ours.ratios(theirs.figures(i))
}

// behind returns the rows in which this library costs more than a peer.
func (r *results) behind(peer string) (rows []string) {
	for _, row := range r.rows {
		if i := row.find(peer); i >= 0 {
			if is := lab.Median(row.ratios(row.figures(i))); is > 1 {
				rows = append(rows, fmt.Sprintf("%s (%s)", row.title, digits(is)))
			}
		}
	}
	return rows
}

func verdict(is, most float64) string {
	if is <= most {
		return "met"
	}
	return "**missed**"
}

// growthTable writes a table with a row for each way to do a benchmark and a column for each size.
func (r *results) growthTable(s *strings.Builder) {
	s.WriteString("| | | n | at n | at 10 n | at 100 n |\n|---|---|--:|--:|--:|--:|\n")
	for _, c := range r.growth {
		fmt.Fprintf(s, "| %s | %s | %s |", c.title, c.way, c.contenders[0].name)
		first := c.figures(0)
		for i := range c.contenders {
			at := c.figures(i)
			fmt.Fprintf(s, " %s", c.show(lab.Median(at)))
			if i > 0 {
				fmt.Fprintf(s, " (%s)", digits(lab.Median(quotients(at, first))))
			}
			s.WriteString(" |")
		}
		s.WriteString("\n")
	}
}

// short describes in a few lines how this library compares. Here a ratio is another's cost as a
// multiple of this library's, as in the chart beside the text.
func (r *results) short() string {
	var s strings.Builder
	s.WriteString("| | costs more than here | median | costs less than here |\n|---|--:|--:|---|\n")
	for m, mark := range marks {
		if absent := r.absent(mark.name); absent != "" {
			fmt.Fprintf(&s, "| %s | absent: %s | | |\n", mark.name, absent)
			continue
		}
		var ratios []float64
		var less []string
		for _, row := range r.rows {
			if i := row.peer(m); i >= 0 {
				is := 1 / lab.Median(row.ratios(row.figures(i)))
				ratios = append(ratios, is)
				if is < 1 {
					less = append(less, fmt.Sprintf("%s (× %s)", row.title, digits(is)))
				}
			}
		}
		fmt.Fprintf(&s, "| %s | in %d of %d rows | × %s | %s |\n", mark.name, len(ratios)-len(less), len(ratios),
			digits(lab.Median(ratios)), strings.Join(less, "; "))
	}
	fmt.Fprintf(&s, "\n%s, %d CPUs, %s, %s.\n", lab.Processor(), runtime.NumCPU(), lab.System(), runtime.Version())
	return s.String()
}

// absent returns why a peer is absent, or "".
func (r *results) absent(name string) string {
	for _, p := range r.peers.others {
		if p.name == name {
			return p.absent
		}
	}
	return ""
}

// details writes all the measurements.
func (r *results) details(s *strings.Builder) {
	s.WriteString("| | | median | least | most | ratio | allocations | bytes |\n|---|---|--:|--:|--:|--:|--:|--:|\n")
	for _, row := range r.rows {
		for i, c := range row.contenders {
			title, ratio, allocs, bytes := "", "", "", ""
			figures := row.figures(i)
			if i == 0 {
				title = row.title
			} else {
				ratio = digits(lab.Median(row.ratios(figures)))
			}
			if c.inGo {
				last, each := row.costs[i][len(row.costs[i])-1], float64(max(row.each, 1))
				allocs, bytes = fmt.Sprintf("%.2f", last.allocs/each), fmt.Sprintf("%.0f", last.bytes/each)
			}
			fmt.Fprintf(s, "| %s | %s | %s | %s | %s | %s | %s | %s |\n", title, c.name, row.show(lab.Median(figures)),
				row.show(slices.Min(figures)), row.show(slices.Max(figures)), ratio, allocs, bytes)
		}
	}
}

// show formats a figure with its unit, to three digits.
func (r row) show(figure float64) string {
	if r.memory {
		return digits(figure) + " B"
	}
	units := []string{"ns", "µs", "ms", "s"}
	for figure >= 999.5 && len(units) > 1 {
		figure, units = figure/1000, units[1:]
	}
	return digits(figure) + " " + units[0]
}

// digits formats a number to three digits, or more if there are more before the point.
func digits(x float64) string {
	if x <= 0 {
		return "0"
	}
	rounded, _ := strconv.ParseFloat(strconv.FormatFloat(x, 'e', 2, 64), 64)
	after := max(0, 2-int(math.Floor(math.Log10(rounded)+1e-9)))
	return fmt.Sprintf("%.*f", min(after, 3), x)
}
