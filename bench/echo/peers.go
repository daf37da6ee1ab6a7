//go:build linux

package main

import (
	"context"
	"embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// A peer is a server that is measured. It prints its port.
type peer struct {
	name   string
	argv   []string
	absent string // why there is none here
}

//go:embed c/*.c servers/echo.py
var sources embed.FS

// module is where the servers in Go are.
const module = "github.com/go-asyncio/asyncio/bench/echo/servers/"

// findPeers builds the servers in dir. The first peer is the one in C.
func findPeers(ctx context.Context, dir string, pythons []python) ([]peer, error) {
	server := filepath.Join(dir, "server")
	if err := compile(ctx, "c/server.c", server); err != nil {
		return nil, err
	}
	if err := command(ctx, "go", "build", "-o", dir+"/", module+"asyncio", module+"gonet"); err != nil {
		return nil, err
	}
	script := filepath.Join(dir, "echo.py")
	if err := extract("servers/echo.py", script); err != nil {
		return nil, err
	}
	library := filepath.Join(dir, "asyncio")
	peers := []peer{
		{name: "C, epoll", argv: []string{server}},
		{name: "**this library, `ReadInto`**", argv: []string{library, "ReadInto"}},
		{name: "**this library, `Read`**", argv: []string{library, "Read"}},
		{name: "Go's net, a goroutine a connection", argv: []string{filepath.Join(dir, "gonet")}},
	}
	return append(peers, pythonPeers(script, pythons)...), nil
}

// pythonPeers are uvloop in each Python that has it, and asyncio in CPython 3.13.
func pythonPeers(script string, pythons []python) []peer {
	var uvloop, asyncio []peer
	for _, p := range pythons {
		if p.uvloop != "" {
			uvloop = append(uvloop, p.peers(script, "uvloop", p.uvloop)...)
		}
		if strings.HasPrefix(p.version, "3.13.") && asyncio == nil {
			asyncio = p.peers(script, "asyncio", "")
		}
	}
	if uvloop == nil {
		uvloop = []peer{{name: "uvloop", absent: "no Python here has it"}}
	}
	if asyncio == nil {
		asyncio = []peer{{name: "asyncio", absent: "there is no CPython 3.13 here"}}
	}
	return append(uvloop, asyncio...)
}

// A python is an interpreter, and the version of its uvloop if it has it.
type python struct{ path, version, uvloop string }

func (p python) peers(script, loop, version string) []peer {
	var peers []peer
	for _, api := range []string{"streams", "Protocol"} {
		name := strings.Join(strings.Fields(loop+" "+version+" "+api), " ")
		peers = append(peers, peer{
			name: fmt.Sprintf("%s (Python %s)", name, p.version),
			argv: []string{p.path, script, loop, strings.ToLower(api)},
		})
	}
	return peers
}

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

// findPythons looks where .ci/run does, and in the other places of uvloop.
func findPythons(ctx context.Context, further []string) []python {
	candidates := append(further, os.Getenv("PYTHON313"), "python3.13", "python3", "/usr/bin/python3")
	root := os.Getenv("PYENV_ROOT")
	if root == "" {
		root = filepath.Join(os.Getenv("HOME"), ".pyenv")
	}
	pyenv, _ := filepath.Glob(filepath.Join(root, "versions/3.*/bin/python3"))
	var found []python
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
		found = append(found, python{path, lines[1], lines[2]})
	}
	return found
}

// compile compiles one of the C programs.
func compile(ctx context.Context, source, target string) error {
	file := target + ".c"
	if err := extract(source, file); err != nil {
		return err
	}
	return command(ctx, compiler(), "-O2", "-Wall", "-o", target, file)
}

func compiler() string {
	if cc := os.Getenv("CC"); cc != "" {
		return cc
	}
	return "cc"
}

func extract(source, file string) error {
	text, err := sources.ReadFile(source)
	if err != nil {
		return err
	}
	return os.WriteFile(file, text, 0o600)
}

// command runs a program that prints nothing unless it fails.
func command(ctx context.Context, name string, args ...string) error {
	out, err := exec.CommandContext(ctx, name, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w\n%s", name, err, out)
	}
	return nil
}
