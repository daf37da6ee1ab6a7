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

// floors lists the layers of the package, from the bottom up, by their files. A file may name
// declarations of its own floor and of the floors below. ARCHITECTURE.md describes the purpose of
// each floor.
var floors = []string{
	"errors errno errno_other frame",
	"list loop loop_turn loop_mailbox loop_clock loop_trim loop_livelock handle loop_report loop_recorder loop_event loop_observe loop_watchdog loop_debug options task_drive task task_stack task_ring task_primitive task_labels future task_block task_wait_reason task_context awaitable loop_quota loop_blocking",
	"sleep timeout wait gather shield taskgroup",
	"sync_lock sync_event sync_condition sync_semaphore sync_barrier queue queue_info as_completed generator call_graph",
	"thread thread_context thread_wait executor threadsafe foreign channel outside loop_signal loop_signal_unix loop_snapshot",
	"run",
	"loop_reader loop_sock loop_sendfile",
	"stream protocol transport stream_info stream_options stream_dropped stream_feed stream_netconn stream_pair stream_reader stream_sendfile stream_socket stream_tls stream_tls_shutdown stream_writer",
	"system adopt connect connect_netdial transport_connect server server_info server_listener server_netlistener datagram datagram_open datagram_netpackets datagram_transport pipe conn conn_deadline conn_listener conn_raw conn_dialer",
	"subprocess subprocess_options subprocess_transport subprocess_unix subprocess_pipe_other",
}

// upwards lists the permitted arrows to a higher floor.
var upwards = map[string]bool{
	// The loop closes what it owns, and consults it before it waits.
	"loop.go -> thread.go": true, "loop_clock.go -> thread.go": true,
	"loop.go -> loop_signal.go": true, "loop.go -> subprocess.go": true,
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

// arrows returns "a.go -> b.go" for each pair of files in which the first names a declaration of
// the second.
func arrows(t *testing.T) map[string]bool {
	t.Helper()
	fset := token.NewFileSet()
	config := types.Config{Importer: exportImporter(t, fset)}
	info := &types.Info{Uses: make(map[*ast.Ident]types.Object)}
	pkg, err := config.Check("asyncio", fset, sourceFiles(t, fset), info)
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

// sourceFiles parses the files of the package.
func sourceFiles(t *testing.T, fset *token.FileSet) []*ast.File {
	t.Helper()
	var files []*ast.File
	for name := range goList(t, "-f", `{{range .GoFiles}}{{println .}}{{end}}`, ".") {
		file, err := parser.ParseFile(fset, name, nil, parser.ParseComments|parser.SkipObjectResolution)
		require.NoError(t, err)
		files = append(files, file)
	}
	return files
}

// exportImporter returns an importer of this package, package inspect and their dependencies.
func exportImporter(t *testing.T, fset *token.FileSet) types.Importer {
	t.Helper()
	exports := goList(t, "-export", "-deps", "-f", "{{.ImportPath}} {{.Export}}", ".", "./inspect")
	return importer.ForCompiler(fset, "gc", func(path string) (io.ReadCloser, error) { return os.Open(exports[path]) })
}

// goList runs go list for Linux, whatever the system is. It returns the lines of the output, each
// split at the first space.
func goList(t *testing.T, args ...string) map[string]string {
	t.Helper()
	cmd := goCommand(t, append([]string{"list"}, args...)...)
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

// goCommand returns a go command, and skips the test where there is no go to run, as under Wine.
func goCommand(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("there is no go command: ", err)
	}
	return exec.Command("go", args...)
}
