package asyncio_test

import (
	"fmt"
	"go/ast"
	"go/doc"
	"go/parser"
	"go/token"
	"go/types"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const importPath = "github.com/go-asyncio/asyncio"

// optionsOf lists the calls that take options, each with the options that apply to it.
var optionsOf = map[string]string{
	"asyncio.Run(ctx, coro, %s)":         "WithDebug WithInspection WithSlowCallbackDuration WithEagerTasks WithVirtualTime WithExceptionHandler WithMaxThreads WithMaxTurnsPerInstant WithTaskLabels WithInterrupt",
	"asyncio.NewRunner(%s)":              "WithDebug WithInspection WithSlowCallbackDuration WithEagerTasks WithVirtualTime WithExceptionHandler WithMaxThreads WithMaxTurnsPerInstant WithTaskLabels WithInterrupt",
	"asyncio.NewLoop(%s)":                "WithDebug WithInspection WithSlowCallbackDuration WithEagerTasks WithVirtualTime WithExceptionHandler WithMaxThreads WithMaxTurnsPerInstant WithTaskLabels",
	"asyncio.CreateTask(ctx, coro, %s)":  "WithName WithEagerStart WithContext",
	"asyncio.GroupTask(group, coro, %s)": "WithName WithEagerStart WithContext",
	"group.Go(nil, %s)":                  "WithName WithEagerStart WithContext",
	"asyncio.Wait(ctx, tasks, %s)":       "WithTimeout ReturnWhen",

	"asyncio.OpenConnection(ctx, ``, %s)":                         "WithLimit WithTLS WithTLSHandshakeTimeout WithTLSShutdownTimeout WithNetwork WithLocalAddr WithHappyEyeballsDelay WithKeepAlive WithSocket",
	"asyncio.OpenUnixConnection(ctx, ``, %s)":                     "WithLimit WithTLS WithTLSHandshakeTimeout WithTLSShutdownTimeout WithSocket",
	"asyncio.NewDialer(ctx, %s)":                                  "WithTLS WithTLSHandshakeTimeout WithTLSShutdownTimeout WithLocalAddr WithHappyEyeballsDelay WithKeepAlive",
	"asyncio.StartServer(ctx, handler, ``, %s)":                   "WithLimit WithTLS WithTLSHandshakeTimeout WithTLSShutdownTimeout WithNetwork WithHosts WithKeepAlive WithBacklog WithMaxConnections WithReusePort WithoutServing WithSocket",
	"asyncio.StartUnixServer(ctx, handler, ``, %s)":               "WithLimit WithTLS WithTLSHandshakeTimeout WithTLSShutdownTimeout WithBacklog WithMaxConnections WithoutServing WithoutCleanupSocket WithSocket",
	"asyncio.Listen(ctx, ``, ``, %s)":                             "WithTLS WithTLSHandshakeTimeout WithTLSShutdownTimeout WithKeepAlive WithBacklog WithMaxConnections WithReusePort",
	"asyncio.CreateConnection(ctx, factory, ``, %s)":              "WithTLS WithTLSHandshakeTimeout WithTLSShutdownTimeout WithNetwork WithLocalAddr WithHappyEyeballsDelay WithKeepAlive WithSocket",
	"asyncio.CreateUnixConnection(ctx, factory, ``, %s)":          "WithTLS WithTLSHandshakeTimeout WithTLSShutdownTimeout WithSocket",
	"asyncio.ConnectAcceptedSocket(ctx, factory, 1, %s)":          "WithTLS WithTLSHandshakeTimeout WithTLSShutdownTimeout",
	"asyncio.CreateServer(ctx, factory, ``, %s)":                  "WithTLS WithTLSHandshakeTimeout WithTLSShutdownTimeout WithNetwork WithHosts WithKeepAlive WithBacklog WithMaxConnections WithReusePort WithoutServing WithSocket",
	"asyncio.CreateUnixServer(ctx, factory, ``, %s)":              "WithTLS WithTLSHandshakeTimeout WithTLSShutdownTimeout WithBacklog WithMaxConnections WithoutServing WithoutCleanupSocket WithSocket",
	"asyncio.CreateDatagramTransport(ctx, datagrams, ``, ``, %s)": "WithNetwork WithReusePort WithBroadcast WithSocket",
	"asyncio.CreateDatagramEndpoint(ctx, ``, ``, %s)":             "WithNetwork WithReusePort WithBroadcast WithSocket",
	"asyncio.ConnectReadPipe(ctx, os.Stdin, %s)":                  "WithLimit",
	"asyncio.StreamPair(ctx, %s)":                                 "WithLimit",
	"asyncio.NewStreamReader(ctx, %s)":                            "WithLimit",
	"transport.StartTLS(ctx, nil, %s)":                            "WithTLSHandshakeTimeout WithTLSShutdownTimeout",
	"writer.StartTLS(ctx, nil, %s)":                               "WithTLSHandshakeTimeout WithTLSShutdownTimeout",

	"asyncio.SubprocessExec(ctx, processes, ``, nil, %s)": "WithStdin WithStdout WithStderr WithCommand",
	"asyncio.SubprocessShell(ctx, processes, ``, %s)":     "WithStdin WithStdout WithStderr WithCommand",
	"asyncio.CreateSubprocessExec(ctx, ``, nil, %s)":      "WithStdin WithStdout WithStderr WithCommand WithPipeLimit WithWaitDelay",
	"asyncio.CreateSubprocessShell(ctx, ``, %s)":          "WithStdin WithStdout WithStderr WithCommand WithPipeLimit WithWaitDelay",
}

// arguments holds, for each option, the arguments of a valid call.
var arguments = map[string]string{
	"WithDebug": "", "WithInspection": "", "WithSlowCallbackDuration": "1", "WithEagerTasks": "", "WithVirtualTime": "", "WithExceptionHandler": "nil", "WithMaxThreads": "1",
	"WithMaxTurnsPerInstant": "1", "WithTaskLabels": "", "WithInterrupt": "",
	"WithName": "``", "WithEagerStart": "", "WithContext": "ctx", "WithTimeout": "1", "ReturnWhen": "asyncio.AllCompleted",
	"WithLimit": "1", "WithTLS": "nil", "WithTLSHandshakeTimeout": "1", "WithTLSShutdownTimeout": "1", "WithHosts": "``", "WithoutCleanupSocket": "", "WithSocket": "1",
	"WithNetwork": "``", "WithLocalAddr": "``", "WithHappyEyeballsDelay": "1",
	"WithKeepAlive": "", "WithBacklog": "1", "WithMaxConnections": "1", "WithReusePort": "", "WithoutServing": "", "WithBroadcast": "",
	"WithStdin": "asyncio.Pipe", "WithStdout": "asyncio.Pipe", "WithStderr": "asyncio.Pipe", "WithCommand": "nil", "WithPipeLimit": "1", "WithWaitDelay": "1",
}

// If a call silently ignored an option, the caller would never learn of the mistake.
func TestAnOptionThatACallWouldIgnoreDoesNotCompile(t *testing.T) {
	source := "package p\n\nimport (\"context\"; \"os\"; \"" + importPath + "\")\n\n" +
		"func _(ctx context.Context, coro asyncio.Coro[int], group *asyncio.TaskGroup, tasks []asyncio.AnyTask, " +
		"handler asyncio.ConnectionHandler, writer *asyncio.StreamWriter, factory func() asyncio.Protocol, transport *asyncio.Transport, datagrams func() asyncio.DatagramProtocol, processes func() asyncio.SubprocessProtocol) {\n"
	type cell struct{ call, option string }
	cells := make(map[int]cell) // by line
	for call := range optionsOf {
		for option, argument := range arguments {
			cells[strings.Count(source, "\n")+1] = cell{call, option}
			source += fmt.Sprintf(call, "asyncio."+option+"("+argument+")") + "\n"
		}
	}
	problems := make(map[int]string)
	check(t, source+"}\n", func(line int, problem string) { problems[line] = problem })
	for line, c := range cells {
		problem, bad := problems[line]
		delete(problems, line)
		if slices.Contains(strings.Fields(optionsOf[c.call]), c.option) {
			assert.Empty(t, problem, "%s in %s", c.option, c.call)
		} else if assert.True(t, bad, "%s in %s compiles", c.option, c.call) {
			assert.Contains(t, problem, "cannot use asyncio."+c.option)
		}
	}
	assert.Empty(t, problems, "elsewhere")
}

// check type-checks a program that imports the package.
func check(t *testing.T, source string, problem func(line int, problem string)) {
	t.Helper()
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, "p.go", source, parser.SkipObjectResolution)
	require.NoError(t, err)
	config := types.Config{
		Importer: exportImporter(t, fset),
		Error:    func(err error) { problem(fset.Position(err.(types.Error).Pos).Line, err.(types.Error).Msg) },
	}
	_, _ = config.Check("p", fset, []*ast.File{file}, nil)
}

// imported returns this package or package inspect as its importers see it.
func imported(t *testing.T, path string) *types.Package {
	t.Helper()
	pkg, err := exportImporter(t, token.NewFileSet()).Import(path)
	require.NoError(t, err)
	return pkg
}

// optionType returns the name of t if it is an option type, and "" otherwise.
func optionType(t types.Type) string {
	if named, ok := t.(*types.Named); ok && strings.HasSuffix(named.Obj().Name(), "Option") {
		return named.Obj().Name()
	}
	return ""
}

// exportedFuncs returns the exported functions of a package and the methods of its types, by name.
func exportedFuncs(pkg *types.Package) map[string]*types.Signature {
	funcs := make(map[string]*types.Signature)
	for _, name := range pkg.Scope().Names() {
		switch object := pkg.Scope().Lookup(name).(type) {
		case *types.Func:
			funcs[name] = object.Signature()
		case *types.TypeName:
			if named, ok := object.Type().(*types.Named); ok {
				for method := range named.Methods() {
					funcs[name+"."+method.Name()] = method.Signature()
				}
			}
		}
	}
	maps.DeleteFunc(funcs, func(name string, _ *types.Signature) bool {
		return slices.ContainsFunc(strings.Split(name, "."), func(part string) bool { return !token.IsExported(part) })
	})
	return funcs
}

// The matrix lists every option and every call that takes options, and the doc of each option type
// names the options that the call accepts.
func TestTheMatrixListsEveryOptionAndEveryCallThatTakesOptions(t *testing.T) {
	pkg := imported(t, importPath)
	nameOf := regexp.MustCompile(`(\w+)\(.*%s`)
	listed := make(map[string]string)
	for call, options := range optionsOf {
		listed[nameOf.FindStringSubmatch(call)[1]] = options
	}
	var options []string
	found := make(map[string]bool)
	documented := docsOfTypes(t)
	for name, f := range exportedFuncs(pkg) {
		if f.Results().Len() == 1 && optionType(f.Results().At(0).Type()) != "" {
			options = append(options, name)
		}
		if !f.Variadic() {
			continue
		}
		kind := optionType(f.Params().At(f.Params().Len() - 1).Type().(*types.Slice).Elem())
		if kind == "" {
			continue
		}
		name = name[strings.LastIndex(name, ".")+1:]
		assert.ElementsMatch(t, strings.Fields(listed[name]), documented[kind], "the options of %s, and the doc of %s", name, kind)
		assert.Contains(t, listed, name)
		found[name] = true
	}
	assert.Len(t, found, len(listed), "calls that do not exist")
	assert.ElementsMatch(t, slices.Collect(maps.Keys(arguments)), options)
}

// goDoc returns the documentation of the package as go doc prints it.
func goDoc(t *testing.T) *doc.Package {
	t.Helper()
	fset := token.NewFileSet()
	pkg, err := doc.NewFromFiles(fset, sourceFiles(t, fset), importPath, doc.AllDecls)
	require.NoError(t, err)
	return pkg
}

// docsOfTypes returns, for each type, the options that its doc names and the functions that go doc
// lists with it.
func docsOfTypes(t *testing.T) map[string][]string {
	t.Helper()
	named := make(map[string][]string)
	for _, typ := range goDoc(t).Types {
		options := regexp.MustCompile(`\b(With[A-Z]\w+|Without\w+)`).FindAllString(typ.Doc, -1)
		for _, f := range typ.Funcs {
			options = append(options, f.Name)
		}
		slices.Sort(options)
		named[typ.Name] = slices.Compact(options)
	}
	return named
}

// go doc lists a function that returns a type and an error with that type only if nothing in the
// package makes error look like a type of its own, as a struct that embeds error does, or a
// variable of type error declared on its own.
func TestGoDocShowsAConstructorWithItsType(t *testing.T) {
	pkg := goDoc(t)
	types := make(map[string]bool)
	for _, typ := range pkg.Types {
		types[typ.Name] = token.IsExported(typ.Name)
	}
	for _, f := range pkg.Funcs {
		if !token.IsExported(f.Name) || f.Decl.Type.Results == nil {
			continue
		}
		var own []string
		for _, result := range f.Decl.Type.Results.List {
			kind := result.Type
			if pointer, ok := kind.(*ast.StarExpr); ok {
				kind = pointer.X
			}
			if name, ok := kind.(*ast.Ident); ok && types[name.Name] {
				own = append(own, name.Name)
			}
		}
		assert.NotEqual(t, 1, len(own), "%s should stand with %s", f.Name, own)
	}
}
