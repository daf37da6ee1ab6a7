package asyncio_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// readmePrelude declares what the README's snippets take as given.
const readmePrelude = `package snippet

import "context"

func load(ctx context.Context, key string) (string, error) { return key, ctx.Err() }

func fetch(ctx context.Context, id int) (string, error) { return "", ctx.Err() }

var _, _ = load, fetch
`

// readmeImports says which import path the package name that a snippet uses has.
var readmeImports = map[string]string{
	"asyncio": "github.com/go-asyncio/asyncio", "context": "context", "errgroup": "golang.org/x/sync/errgroup",
	"tls": "crypto/tls", "errors": "errors", "fmt": "fmt", "os": "os", "sync": "sync", "time": "time",
}

// The Go code of the README compiles, in a module of its own that imports this
// one by a replace line, as the README tells its reader to do. Code that is no
// whole program is put into a file, or into a coroutine, first.
func TestREADMECodeCompiles(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	require.NoError(t, err)
	blocks := regexp.MustCompile("(?ms)^```go\n(.*?)^```$").FindAllStringSubmatch(string(readme), -1)
	require.NotEmpty(t, blocks)

	dir := t.TempDir()
	programs := 0
	for i, block := range blocks {
		code, pkg := block[1], filepath.Join(dir, fmt.Sprintf("block%02d", i+1))
		require.NoError(t, os.Mkdir(pkg, 0o777))
		if strings.HasPrefix(code, "package main\n") {
			programs++
		} else {
			code = readmeSnippet(code)
			writeREADMEFile(t, filepath.Join(pkg, "prelude.go"), readmePrelude)
		}
		writeREADMEFile(t, filepath.Join(pkg, "block.go"), code)
	}
	require.NotZero(t, programs, "whole programs in the README")

	root, err := os.Getwd()
	require.NoError(t, err)
	sum, err := os.ReadFile("go.sum")
	require.NoError(t, err)
	writeREADMEFile(t, filepath.Join(dir, "go.sum"), string(sum))
	writeREADMEFile(t, filepath.Join(dir, "go.mod"), "module readme\n\ngo 1.26\n")
	for _, args := range [][]string{
		{"mod", "edit", "-replace", "github.com/go-asyncio/asyncio=" + root},
		{"mod", "edit", "-require", "github.com/go-asyncio/asyncio@v0.0.0"},
		{"build", "-mod=mod", "-o", os.DevNull, "./..."},
	} {
		cmd := exec.Command("go", args...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=")
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "go %s: %s", strings.Join(args, " "), out)
	}
}

// readmeSnippet makes a file of declarations, or of statements, which then are
// the body of a coroutine.
func readmeSnippet(code string) string {
	var file strings.Builder
	file.WriteString("package snippet\n\n")
	for name, path := range readmeImports {
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

// The README's links to files of this repository lead somewhere.
func TestREADMELinksExist(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	require.NoError(t, err)
	prose := regexp.MustCompile("(?s)```.*?```|`[^`]*`").ReplaceAllString(string(readme), "")
	for _, link := range regexp.MustCompile(`\]\(([^)]+)\)`).FindAllStringSubmatch(prose, -1) {
		if !strings.Contains(link[1], "://") {
			_, err := os.Stat(filepath.FromSlash(link[1]))
			require.NoError(t, err, "link to %s", link[1])
		}
	}
}

func writeREADMEFile(t *testing.T, name, text string) {
	t.Helper()
	require.NoError(t, os.WriteFile(name, []byte(text), 0o666))
}
