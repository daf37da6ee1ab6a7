// Package examples_test builds the examples and checks their output.
package examples_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
)

var binDir string // folder of the programs

func TestMain(m *testing.M) {
	os.Exit(buildAndRun(m))
}

func buildAndRun(m *testing.M) int {
	if _, err := exec.LookPath("go"); err != nil { // as under Wine
		fmt.Println("skipped: there is no go command:", err)
		return 0
	}
	dir, err := os.MkdirTemp("", "asyncio-examples-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	binDir = dir

	args := []string{"build", "-o", dir + string(filepath.Separator)}
	if info, ok := debug.ReadBuildInfo(); ok {
		// Under go test -race the programs are built with the race detector too.
		if slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"}) {
			args = append(args, "-race")
		}
	}
	if out, err := exec.Command("go", append(args, "./...")...).CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "go build: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// A process is a running example.
type process struct {
	cmd            *exec.Cmd
	stdout, stderr bytes.Buffer
}

func start(t *testing.T, name string, args ...string) *process {
	t.Helper()
	p := &process{cmd: exec.CommandContext(t.Context(), filepath.Join(binDir, name), args...)}
	p.cmd.Stdout, p.cmd.Stderr = &p.stdout, &p.stderr
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return p
}

// wait waits for the end of the process and returns its output and its exit code.
func (p *process) wait() (stdout, stderr string, code int) {
	_ = p.cmd.Wait() // the exit code is enough
	return p.stdout.String(), p.stderr.String(), p.cmd.ProcessState.ExitCode()
}

// TestOutput compares the output of an example with testdata/NAME.out, the output of the Python
// program from which the example was carried over. Where Go prints a list or an error in its own
// way, the file has Go's text. Lines may be marked:
//
//	~ pattern   a regular expression, for text that differs from run to run
//	1| line     a line printed at the same moment as its neighbours with the same number.
//	            The programs sleep for real, so these lines may come in any order, as
//	            Python's may.
func TestOutput(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.out")
	if err != nil || len(files) == 0 {
		t.Fatalf("no expected output: %v", err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".out")
		p := start(t, name) // all examples sleep at the same time, however many tests run in parallel
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			stdout, stderr, code := p.wait()
			if code != 0 || stderr != "" {
				t.Errorf("exit code %d, stderr: %s", code, stderr)
			}
			if !matchLines(strings.Split(stdout, "\n"), strings.Split(string(want), "\n")) {
				t.Errorf("got:\n%s\nwant:\n%s", stdout, want)
			}
		})
	}
}

var sameMoment = regexp.MustCompile(`^\d\| `)

// matchLines compares lines with the expected lines, which may be marked as TestOutput describes.
func matchLines(got, want []string) bool {
	if len(got) != len(want) {
		return false
	}
	for len(want) > 0 {
		n := 1
		if mark := sameMoment.FindString(want[0]); mark != "" {
			for n < len(want) && strings.HasPrefix(want[n], mark) {
				n++
			}
			var expected []string
			for _, line := range want[:n] {
				expected = append(expected, strings.TrimPrefix(line, mark))
			}
			slices.Sort(expected)
			if !slices.Equal(slices.Sorted(slices.Values(got[:n])), expected) {
				return false
			}
		} else if !matchLine(got[0], want[0]) {
			return false
		}
		got, want = got[n:], want[n:]
	}
	return true
}

func matchLine(got, want string) bool {
	if pattern, ok := strings.CutPrefix(want, "~ "); ok {
		return regexp.MustCompile(`^(?:` + pattern + `)$`).MatchString(got)
	}
	return got == want
}

func TestMatchLines(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		got, want string
		match     bool
	}{
		{"a,b", "a,b", true},
		{"b,a", "a,b", false},
		{"a", "a,b", false},
		{"12.5s", `~ \d+\.\ds`, true},
		{"12.5s!", `~ \d+\.\ds`, false},
		{"0,b,a,d,c,9", "0,1| a,1| b,2| c,2| d,9", true},
		{"0,b,c,d,a,9", "0,1| a,1| b,2| c,2| d,9", false},
		{"b,b", "1| a,1| b", false},
	} {
		if match := matchLines(strings.Split(test.got, ","), strings.Split(test.want, ",")); match != test.match {
			t.Errorf("%s and %s match: %v, want %v", test.got, test.want, match, test.match)
		}
	}
}

func TestReadmeNamesEveryExample(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	mains, err := filepath.Glob("*/main.go")
	if err != nil || len(mains) == 0 {
		t.Fatalf("no examples: %v", err)
	}
	for _, main := range mains {
		if link := fmt.Sprintf("(%s)", filepath.Dir(main)); !strings.Contains(string(readme), link) {
			t.Errorf("README.md has no link %s", link)
		}
	}
}

func TestWordcount(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	tree := fstest.MapFS{
		"a.txt":            {Data: []byte("The cat, the dog and the élan.\n")},
		"sub/b.txt":        {Data: []byte("cat dog CAT\nÉlan")},
		"sub/deep/c.txt":   {Data: []byte("a cat")},
		"sub/deep/picture": {Data: []byte("the\x00the\x00the")},
		"empty":            {},
	}
	if err := os.CopyFS(dir, tree); err != nil {
		t.Fatal(err)
	}
	for _, jobs := range []string{"1", "8"} {
		stdout, stderr, code := start(t, "wordcount", "-n", "5", "-j", jobs, dir).wait()
		want := "       4 cat\n       3 the\n       2 dog\n       2 élan\n       1 a\n"
		if code != 0 || stdout != want {
			t.Errorf("-j %s: exit code %d, got:\n%s\nwant:\n%s", jobs, code, stdout, want)
		}
		want = "wordcount: 4 files counted, 1 binary and 0 unreadable ones left out\n"
		if stderr != want {
			t.Errorf("-j %s: stderr is %q, want %q", jobs, stderr, want)
		}
	}
}

func TestBankRepeatsADayWithTheSameSeed(t *testing.T) {
	t.Parallel()
	first, stderr, code := start(t, "bank", "-seed", "7").wait()
	if code != 0 || stderr != "" {
		t.Fatalf("exit code %d, stderr: %s", code, stderr)
	}
	if second, _, _ := start(t, "bank", "-seed", "7").wait(); second != first {
		t.Errorf("the same seed gave:\n%s\nand:\n%s", first, second)
	}
	if other, _, _ := start(t, "bank", "-seed", "8").wait(); other == first {
		t.Errorf("another seed gave the same day:\n%s", other)
	}
}

func TestBankLosesNobody(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{
		{},
		{"-customers", "1"},
		{"-customers", "5000", "-counters", "20", "-seed", "3"},
		{"-counters", "1", "-patience", "24h"},
		{"-counters", "1", "-patience", "1ns"},
	} {
		stdout, stderr, code := start(t, "bank", args...).wait()
		if code != 0 || stderr != "" {
			t.Errorf("%v: exit code %d, stderr: %s", args, code, stderr)
			continue
		}
		arrived := sum(t, stdout, `arrived +(\d+)`)
		served := sum(t, stdout, `served +(\d+)`)
		left := sum(t, stdout, `left +(\d+)`)
		if served+left != arrived {
			t.Errorf("%v: %d served and %d left are not the %d arrived", args, served, left, arrived)
		}
		if n := sum(t, stdout, `min +(\d+)`); n != served {
			t.Errorf("%v: %d in the histogram, %d were served", args, n, served)
		}
	}
}

// sum adds up the numbers that the pattern finds.
func sum(t *testing.T, text, pattern string) int {
	t.Helper()
	total := 0
	for _, match := range regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1) {
		n, err := strconv.Atoi(match[1])
		if err != nil {
			t.Fatal(err)
		}
		total += n
	}
	return total
}

func TestWrongUse(t *testing.T) {
	t.Parallel()
	const missing = "no-such-directory"
	for _, test := range []struct {
		command string
		code    int
		stderr  string // a part of it
	}{
		{"bank -counters 0", 2, "bank: -counters must be at least 1, not 0\n"},
		{"bank -customers -3", 2, "bank: -customers must be from 1 to 1000000, not -3\n"},
		{"bank -service 0s", 2, "bank: -service must be more than 0s and at most 24h0m0s, not 0s\n"},
		{"bank -patience 25h", 2, "bank: -patience must be more than 0s and at most 24h0m0s, not 25h0m0s\n"},
		{"bank -seed x", 2, `invalid value "x" for flag -seed`},
		{"bank tomorrow", 2, "bank: unexpected argument \"tomorrow\"\n"},
		{"bank -help", 0, "-patience"},
		{"wordcount", 2, "wordcount: one directory is needed, not 0\n"},
		{"wordcount a b", 2, "wordcount: one directory is needed, not 2\n"},
		{"wordcount -n 0 .", 2, "wordcount: -n must be at least 1, not 0\n"},
		{"wordcount -j 0 .", 2, "wordcount: -j must be at least 1, not 0\n"},
		{"wordcount " + missing, 1, missing},
		{"wordcount README.md", 1, "wordcount: README.md is not a directory\n"},
		{"wordcount -help", 0, "usage: wordcount [flags] DIR\n"},
	} {
		args := strings.Fields(test.command)
		stdout, stderr, code := start(t, args[0], args[1:]...).wait()
		if code != test.code || stdout != "" || !strings.Contains(stderr, test.stderr) {
			t.Errorf("%s: exit code %d, stdout %q, stderr %q; want %d and %q",
				test.command, code, stdout, stderr, test.code, test.stderr)
		}
	}
}
