// Package lab holds what the measuring programs share: finding Pythons, describing the machine,
// medians, and writing a result into a page.
package lab

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

// A Python is an interpreter and the version of its uvloop, or "" if it has none.
type Python struct{ Path, Version, Uvloop string }

const pythonProbe = `
import sys
print(sys.prefix)
print("%d.%d.%d" % sys.version_info[:3])
try:
    import uvloop
    print(uvloop.__version__)
except ImportError:
    print()
`

// FindPythons looks in the places where .ci/run looks, in other places where uvloop may be, and in
// the paths of further, which are separated by commas.
func FindPythons(ctx context.Context, further string) []Python {
	candidates := append(strings.Split(further, ","), os.Getenv("PYTHON313"), "python3.13", "python3", "/usr/bin/python3")
	root := os.Getenv("PYENV_ROOT")
	if root == "" {
		root = filepath.Join(os.Getenv("HOME"), ".pyenv")
	}
	pyenv, _ := filepath.Glob(filepath.Join(root, "versions/3.*/bin/python3"))
	var found []Python
	known := map[string]bool{}
	for _, path := range append(candidates, pyenv...) {
		if path == "" {
			continue
		}
		ctx, cancel := context.WithTimeout(ctx, time.Minute)
		out, err := exec.CommandContext(ctx, path, "-c", pythonProbe).Output()
		cancel()
		lines := strings.Split(string(out), "\n")
		if err != nil || len(lines) < 3 || known[lines[0]] {
			continue
		}
		known[lines[0]] = true
		found = append(found, Python{path, lines[1], lines[2]})
	}
	return found
}

// Run runs a program. If the program fails, the error contains its output.
func Run(ctx context.Context, dir, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", name, err, out)
	}
	return nil
}

// Output returns the output of a program, without the surrounding white space, or "" if it fails.
func Output(ctx context.Context, dir, name string, args ...string) string {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	out, _ := cmd.Output()
	return strings.TrimSpace(string(out))
}

// Processor returns the name of this machine's processor.
func Processor() string {
	info, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(info)) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return runtime.GOARCH
}

// System returns the name of the operating system, with the kernel's version where it is known.
func System() string {
	if release, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		return "Linux " + strings.TrimSpace(string(release))
	}
	return runtime.GOOS
}

// Median returns the median. For an even number of figures it is the mean of the middle two.
func Median(figures []float64) float64 {
	sorted := slices.Sorted(slices.Values(figures))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// WriteBetween replaces the text of a file between the markers <!-- name:begin --> and <!--
// name:end -->.
func WriteBetween(file, name, text string) error {
	begin, end := "<!-- "+name+":begin -->\n", "<!-- "+name+":end -->"
	old, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	before, rest, ok := strings.Cut(string(old), begin)
	_, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		return fmt.Errorf("%s has no markers %q", file, name)
	}
	return os.WriteFile(file, []byte(before+begin+text+end+after), 0o644)
}
