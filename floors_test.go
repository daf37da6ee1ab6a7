package asyncio_test

import (
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// floors are the layers of the package, from the ground up, by the files that stand on them. A
// file may name declarations of its own floor and of those below. ARCHITECTURE.md says what
// each floor is for.
var floors = []string{
	"errors errno",
	"loop loop_turn loop_mailbox loop_clock loop_trim loop_livelock handle loop_report loop_debug options task_drive task task_labels future task_block task_context awaitable loop_quota",
	"sleep timeout wait gather shield taskgroup",
	"sync_lock sync_event sync_condition sync_semaphore sync_barrier queue as_completed",
	"thread thread_context threadsafe foreign loop_signal loop_signal_unix",
	"run",
	"loop_reader loop_sock",
	"descriptor stream stream_options stream_buffer stream_dropped stream_pair stream_reader stream_socket stream_tls stream_writer " +
		"buffer_pool write_buffer",
	"system connect server server_listener datagram pipe conn conn_deadline conn_listener conn_raw conn_dialer",
	"subprocess subprocess_unix",
}

// upwards are the arrows that point to a floor above all the same.
var upwards = map[string]bool{
	// The loop closes what it owns, and asks it before it waits.
	"loop.go -> loop_reader.go": true, "loop_turn.go -> loop_reader.go": true, "loop_clock.go -> loop_reader.go": true,
	"loop.go -> thread.go": true, "loop_clock.go -> thread.go": true,
	"loop.go -> buffer_pool.go": true, "loop_clock.go -> buffer_pool.go": true,
	"loop.go -> loop_signal.go": true, "loop.go -> subprocess.go": true,

	"task_block.go -> sleep.go": true, // refuse gives way
	"task_block.go -> conn.go":  true, // a suspension remembers which library was told of a cancellation
}

func TestAFileNamesNothingOfTheFloorsAbove(t *testing.T) {
	floor := make(map[string]int)
	for i, files := range floors {
		for name := range strings.FieldsSeq(files) {
			floor[name+".go"] = i
		}
	}
	used := make(map[string]bool)
	for arrow := range arrows(t) {
		from, to, _ := strings.Cut(arrow, " -> ")
		require.Contains(t, floor, from, "a file without a floor")
		require.Contains(t, floor, to, "a file without a floor")
		if floor[to] > floor[from] {
			used[arrow] = true
			assert.True(t, upwards[arrow], "%s points upwards", arrow)
		}
	}
	for arrow := range upwards {
		assert.True(t, used[arrow], "%s is an exception no more", arrow)
	}
}

// arrows returns an "a.go -> b.go" for each two files of the package of which the first names a
// declaration of the second.
func arrows(t *testing.T) map[string]bool {
	t.Helper()
	exports := make(map[string]string)
	for path, file := range goList(t, "-export", "-deps", "-f", "{{.ImportPath}} {{.Export}}", ".") {
		exports[path] = file
	}
	fset := token.NewFileSet()
	var files []*ast.File
	for name := range goList(t, "-f", `{{range .GoFiles}}{{println .}}{{end}}`, ".") {
		file, err := parser.ParseFile(fset, name, nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		files = append(files, file)
	}
	config := types.Config{Importer: importer.ForCompiler(fset, "gc", func(path string) (io.ReadCloser, error) {
		return os.Open(exports[path])
	})}
	info := &types.Info{Uses: make(map[*ast.Ident]types.Object)}
	pkg, err := config.Check("asyncio", fset, files, info)
	require.NoError(t, err)
	found := make(map[string]bool)
	for use, declared := range info.Uses {
		from, to := fset.Position(use.Pos()).Filename, fset.Position(declared.Pos()).Filename
		if declared.Pkg() == pkg && from != to {
			found[from+" -> "+to] = true
		}
	}
	return found
}

// goList runs go list, for Linux whatever the system is, and returns the lines that it prints,
// each cut at the first space.
func goList(t *testing.T, args ...string) map[string]string {
	t.Helper()
	cmd := exec.Command("go", append([]string{"list"}, args...)...)
	cmd.Env = append(os.Environ(), "GOOS=linux", "GOARCH=amd64", "CGO_ENABLED=0", "GOFLAGS=")
	out, err := cmd.Output()
	require.NoError(t, err)
	lines := make(map[string]string)
	for line := range strings.Lines(string(out)) {
		if key, value, _ := strings.Cut(strings.TrimSpace(line), " "); key != "" {
			lines[key] = value
		}
	}
	return lines
}
