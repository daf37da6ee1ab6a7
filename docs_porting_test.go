package asyncio_test

import (
	"go/types"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A portingRow is a row of a table of the porting guide: the words and the names in its code.
type portingRow struct {
	text   string
	python []string
	here   []string
}

var (
	codeSpan = regexp.MustCompile("`[^`]+`")
	word     = regexp.MustCompile(`\w+`)
	// exportedName finds an exported name, which is not all capitals, and what it is selected from.
	exportedName = regexp.MustCompile(`\b(?:(\w+)(?:\.\w+)*\.)?([A-Z]+[a-z]\w*)`)
	tableRow     = regexp.MustCompile(`(?m)^\| (.*?) \| (.*) \|$`)
)

// portingRows returns the rows of the tables that come before the words of trio and anyio.
func portingRows(t *testing.T) []portingRow {
	t.Helper()
	guide, err := os.ReadFile(filepath.Join("docs", "porting.md"))
	require.NoError(t, err)
	tables, _, found := strings.Cut(string(guide), "\n## From trio")
	require.True(t, found)
	var rows []portingRow
	for _, row := range tableRow.FindAllStringSubmatch(tables, -1) {
		rows = append(rows, portingRow{
			text:   row[0],
			python: word.FindAllString(strings.Join(codeSpan.FindAllString(row[1], -1), " "), -1),
			here:   codeSpan.FindAllString(row[2], -1),
		})
	}
	require.NotEmpty(t, rows)
	return rows
}

// instances are the words that stand for an object of a class in the tables. For other classes it
// is the name of the class.
var instances = map[string][]string{
	"AbstractEventLoop":  {"loop"},
	"BaseEventLoop":      {"loop"},
	"Future":             {"fut", "task"},
	"Task":               {"task"},
	"Queue":              {"q", "Queue"},
	"StreamReader":       {"reader", "StreamReader"},
	"StreamWriter":       {"writer", "StreamWriter"},
	"AbstractServer":     {"server", "Server"},
	"subprocess.Process": {"proc", "Process"},
	"Runner":             {"runner"},
	"TaskGroup":          {"tg"},
}

// asyncioNames returns the recorded names of asyncio, of all versions of Python.
func asyncioNames(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", "asyncio_names_*.txt"))
	require.NoError(t, err)
	require.Len(t, files, 2)
	names := make(map[string]bool)
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		for _, name := range strings.Fields(string(text)) {
			names[name] = true
		}
	}
	return sorted(names)
}

// Every public name of asyncio is in the first column of a table of the porting guide: a method or
// an attribute in a row that names its class or an object of it.
func TestThePortingGuideListsEveryNameOfAsyncio(t *testing.T) {
	rows := portingRows(t)
	for _, name := range asyncioNames(t) {
		class, last := "", name
		if i := strings.LastIndex(name, "."); i > 0 {
			class, last = name[:i], name[i+1:]
		}
		objects, ok := instances[class]
		if !ok {
			objects = []string{class}
		}
		assert.True(t, slices.ContainsFunc(rows, func(row portingRow) bool {
			return slices.Contains(row.python, last) && (class == "" || slices.ContainsFunc(objects, func(object string) bool {
				return slices.Contains(row.python, object)
			}))
		}), "%s is in no table", name)
	}
}

// The second columns name nothing that this package, or package inspect, does not have.
func TestThePortingGuideNamesWhatThePackagesHave(t *testing.T) {
	here, inspect := exportedNames(t, importPath), exportedNames(t, importPath+"/inspect")
	for _, row := range portingRows(t) {
		for _, span := range row.here {
			for _, match := range exportedName.FindAllStringSubmatch(span, -1) {
				has := here
				if match[1] == "inspect" {
					has = inspect
				}
				if !slices.Contains(foreignNames, match[1]) && !slices.Contains(foreignNames, match[2]) {
					assert.True(t, has[match[2]], "there is no %s: %s", match[2], row.text)
				}
			}
		}
	}
}

// foreignNames are packages, variables of other packages' types, and fields of such types, whose
// names are in the tables.
var foreignNames = []string{
	"aiter", "cmd", "context", "errors", "exec", "fs", "io", "iter", "net", "os", "slog", "sync", "syscall", "time", "tls",
	"Credential", "Gid", "Groups", "Setpgid", "Setsid", "SysProcAttr", "Uid",
}

// exportedNames returns the names of a package's declarations, methods and fields.
func exportedNames(t *testing.T, path string) map[string]bool {
	t.Helper()
	pkg := imported(t, path)
	names := make(map[string]bool)
	for _, name := range pkg.Scope().Names() {
		names[name] = true
		typ, ok := pkg.Scope().Lookup(name).(*types.TypeName)
		if !ok {
			continue
		}
		for selection := range types.NewMethodSet(types.NewPointer(typ.Type())).Methods() {
			names[selection.Obj().Name()] = true
		}
		switch typ := typ.Type().Underlying().(type) {
		case *types.Struct:
			for field := range typ.Fields() {
				names[field.Name()] = true
			}
		case *types.Interface:
			for method := range typ.Methods() {
				names[method.Name()] = true
			}
		}
	}
	return names
}
