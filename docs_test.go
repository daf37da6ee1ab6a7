package asyncio_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// docsPrelude declares the names that the snippets use without declaring them.
const docsPrelude = `package snippet

import "context"

func load(ctx context.Context, key string) (string, error) { return key, ctx.Err() }

func fetch(ctx context.Context, id int) (string, error) { return "", ctx.Err() }

type session struct{}

func login(ctx context.Context) (*session, error) { return &session{}, ctx.Err() }

func (s *session) close() {}

var _, _, _ = load, fetch, login
`

// docsImports maps the package names that snippets use to their import paths.
var docsImports = map[string]string{
	"asyncio": "github.com/go-asyncio/asyncio", "context": "context", "errgroup": "golang.org/x/sync/errgroup", "iter": "iter",
	"tls": "crypto/tls", "errors": "errors", "fmt": "fmt", "os": "os", "sync": "sync", "time": "time",
	"http": "net/http", "inspect": "github.com/go-asyncio/asyncio/inspect",
}

// pages returns the texts of the README and the pages of docs/, by path.
func pages(t *testing.T) map[string]string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join("docs", "*.md"))
	require.NoError(t, err)
	require.NotEmpty(t, paths)
	root, err := filepath.Glob("*.md")
	require.NoError(t, err)
	texts := make(map[string]string)
	for _, path := range append(paths, root...) {
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		texts[path] = string(text)
	}
	return texts
}

// The Go code of the README and of docs/ compiles, in a module that imports this one by a replace
// directive, and the tests in it pass. A fragment that is not a whole file is first put into a
// file, or into the body of a coroutine.
func TestTheCodeOfTheDocsCompiles(t *testing.T) {
	dir := t.TempDir()
	blockOf := regexp.MustCompile("(?ms)^```go\n(.*?)^```$")
	for path, text := range pages(t) {
		for i, block := range blockOf.FindAllStringSubmatch(text, -1) {
			name := strings.ToLower(strings.TrimSuffix(filepath.Base(path), ".md"))
			writeBlock(t, filepath.Join(dir, fmt.Sprintf("%s%02d", name, i+1)), block[1])
		}
	}
	root, err := os.Getwd()
	require.NoError(t, err)
	sum, err := os.ReadFile("go.sum")
	require.NoError(t, err)
	writeFile(t, filepath.Join(dir, "go.sum"), string(sum))
	writeFile(t, filepath.Join(dir, "go.mod"), "module docs\n\ngo 1.26\n")
	for _, args := range [][]string{
		{"mod", "edit", "-replace", "github.com/go-asyncio/asyncio=" + root},
		{"mod", "edit", "-require", "github.com/go-asyncio/asyncio@v0.0.0"},
		{"test", "-mod=mod", "-vet=off", "./..."},
	} {
		cmd := goCommand(t, args...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=")
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "go %s: %s", strings.Join(args, " "), out)
	}
}

// writeBlock makes a package from a block of code.
func writeBlock(t *testing.T, pkg, code string) {
	t.Helper()
	require.NoError(t, os.Mkdir(pkg, 0o777))
	file := "block.go"
	switch {
	case strings.HasPrefix(code, "package main\n"):
	case strings.HasPrefix(code, "package "):
		file = "block_test.go"
	default:
		code = snippet(code)
		writeFile(t, filepath.Join(pkg, "prelude.go"), docsPrelude)
	}
	writeFile(t, filepath.Join(pkg, file), code)
}

// snippet makes a file from declarations, or from statements, which become the body of a coroutine.
func snippet(code string) string {
	var file strings.Builder
	file.WriteString("package snippet\n\n")
	for name, path := range docsImports {
		if regexp.MustCompile(`\b` + name + `\.[A-Z]`).MatchString(code) {
			fmt.Fprintf(&file, "import %q\n", path)
		}
	}
	if regexp.MustCompile(`(?m)^(func|type) `).MatchString(code) {
		file.WriteString(code)
	} else {
		if !strings.Contains(code, "context.") {
			file.WriteString("import \"context\"\n")
		}
		fmt.Fprintf(&file, "func _(ctx context.Context) error {\n%s\nreturn nil\n}\n", code)
	}
	return file.String()
}

// Links of the docs to files of this repository have a target.
func TestTheLinksOfTheDocsExist(t *testing.T) {
	code := regexp.MustCompile("(?s)```.*?```|`[^`]*`")
	linkOf := regexp.MustCompile(`\]\(([^)#]+)(?:#[^)]*)?\)`)
	for path, text := range pages(t) {
		for _, link := range linkOf.FindAllStringSubmatch(code.ReplaceAllString(text, ""), -1) {
			if !strings.Contains(link[1], "://") {
				_, err := os.Stat(filepath.Join(filepath.Dir(path), filepath.FromSlash(link[1])))
				require.NoError(t, err, "link of %s to %s", path, link[1])
			}
		}
	}
}

func writeFile(t *testing.T, name, text string) {
	t.Helper()
	require.NoError(t, os.WriteFile(name, []byte(text), 0o666))
}
