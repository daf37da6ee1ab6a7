package asyncio_test

import (
	"go/ast"
	"go/doc"
	"go/doc/comment"
	"go/parser"
	"go/token"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestThePackageDocListsTheSuspensionPointsThatAreTested(t *testing.T) {
	tested := make(map[string]bool)
	for _, s := range suspensions {
		name, _, _ := strings.Cut(s.name, " ")
		tested[name] = true
	}
	for name := range otherSuspensions {
		assert.False(t, tested[name], "%s is in the table, too", name)
		tested[name] = true
	}
	listed := linksAfter(t, packageDoc(t), "These calls suspend:")
	assert.Equal(t, sorted(tested), sorted(listed))
}

func TestTheListedSuspensionPointsAreTheCallsWhoseDocsSayThatTheySuspend(t *testing.T) {
	pkg := packageDoc(t)
	says := make(map[string]bool)
	for name, f := range calls(pkg) {
		if saysItSuspends(name, f.Doc) {
			says[name] = true
		}
	}
	assert.Equal(t, sorted(says), sorted(linksAfter(t, pkg, "These calls suspend:")))
}

func TestACallListedAsNeverSuspendingDoesNotSayThatItSuspends(t *testing.T) {
	pkg := packageDoc(t)
	suspending := linksAfter(t, pkg, "These calls suspend:")
	never := linksAfter(t, pkg, "These never suspend:")
	assert.NotEmpty(t, never)
	for name := range never {
		require.Contains(t, calls(pkg), name)
		assert.False(t, suspending[name], "%s is in both lists", name)
		assert.False(t, saysItSuspends(name, calls(pkg)[name].Doc), "%s says that it suspends", name)
	}
}

// An example of a type is named for the type or for one of its methods, as ExampleTask_Cancel is.
// For an option type it is enough that an example uses one of its options.
func TestEveryExportedTypeHasAnExample(t *testing.T) {
	examples, used := make(map[string]bool), make(map[string]bool)
	for _, file := range parse(t, "example*_test.go") {
		for _, example := range doc.Examples(file) {
			name, _, _ := strings.Cut(example.Name, "_")
			examples[name] = true
			assert.True(t, example.Output != "" || example.EmptyOutput, "Example%s has no output", example.Name)
			ast.Inspect(example.Code, func(n ast.Node) bool {
				if sel, ok := n.(*ast.SelectorExpr); ok {
					used[sel.Sel.Name] = true
				}
				return true
			})
		}
	}
	for _, typ := range packageDoc(t).Types {
		ofOption := strings.HasSuffix(typ.Name, "Option") &&
			slices.ContainsFunc(typ.Funcs, func(f *doc.Func) bool { return used[f.Name] })
		assert.True(t, examples[typ.Name] || ofOption, "no Example%s", typ.Name)
	}
}

// saysItSuspends reports whether the doc of the call name says that this call suspends.
func saysItSuspends(name, doc string) bool {
	name = name[strings.Index(name, ".")+1:]
	doc = strings.Join(strings.Fields(doc), " ")
	if regexp.MustCompile(`\b(It|` + name + `)( itself)? suspends\b`).MatchString(doc) {
		return true
	}
	others := regexp.MustCompile(`(does not|do not|never|without) suspend\w*|(until|while|when) it suspends|[A-Z]\w+ suspends`)
	return regexp.MustCompile(`\bsuspends\b`).MatchString(others.ReplaceAllString(doc, ""))
}

// linksAfter returns the links in the list that follows a paragraph of the package's doc. Each of
// them must name something in the package.
func linksAfter(t *testing.T, pkg *doc.Package, paragraph string) map[string]bool {
	t.Helper()
	blocks := pkg.Parser().Parse(pkg.Doc).Content
	at := slices.IndexFunc(blocks, func(b comment.Block) bool {
		p, ok := b.(*comment.Paragraph)
		return ok && len(p.Text) == 1 && p.Text[0] == comment.Plain(paragraph)
	})
	require.GreaterOrEqual(t, at, 0, "no paragraph %q", paragraph)
	list, ok := blocks[at+1].(*comment.List)
	require.True(t, ok, "no list after %q", paragraph)
	names := make(map[string]bool)
	for _, item := range list.Items {
		for _, text := range item.Content[0].(*comment.Paragraph).Text {
			switch text := text.(type) {
			case *comment.DocLink:
				name := strings.TrimPrefix(text.Recv+"."+text.Name, ".")
				assert.False(t, names[name], "%s is listed twice", name)
				names[name] = true
			case comment.Plain:
				assert.NotContains(t, string(text), "[", "a link without a target")
			}
		}
	}
	return names
}

// calls returns the exported functions and methods by names such as "Sleep" and "Lock.Acquire".
func calls(pkg *doc.Package) map[string]*doc.Func {
	found := make(map[string]*doc.Func)
	for _, f := range pkg.Funcs {
		found[f.Name] = f
	}
	for _, typ := range pkg.Types {
		for _, f := range typ.Funcs {
			found[f.Name] = f
		}
		for _, f := range typ.Methods {
			if f.Level == 0 { // not promoted
				found[typ.Name+"."+f.Name] = f
			}
		}
	}
	return found
}

func packageDoc(t *testing.T) *doc.Package {
	t.Helper()
	fset := token.NewFileSet()
	var files []*ast.File
	for name := range goList(t, "-f", `{{range .GoFiles}}{{println .}}{{end}}`, ".") {
		file, err := parser.ParseFile(fset, name, nil, parser.ParseComments)
		require.NoError(t, err)
		files = append(files, file)
	}
	pkg, err := doc.NewFromFiles(fset, files, "github.com/go-asyncio/asyncio")
	require.NoError(t, err)
	return pkg
}

// parse parses the files that match a pattern.
func parse(t *testing.T, pattern string) []*ast.File {
	t.Helper()
	names, err := filepath.Glob(pattern)
	require.NoError(t, err)
	var files []*ast.File
	for _, name := range names {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
		require.NoError(t, err)
		files = append(files, file)
	}
	return files
}

func sorted(names map[string]bool) []string { return slices.Sorted(maps.Keys(names)) }
