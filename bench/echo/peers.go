//go:build linux

package main

import (
	"context"
	"embed"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/go-asyncio/asyncio/bench/internal/lab"
)

// A peer is a server that is measured. It prints its port.
type peer struct {
	name   string
	argv   []string
	absent string // why the peer is absent, or ""
}

//go:embed c/*.c servers/echo.py
var sources embed.FS

// module is the import path of the servers in Go.
const module = "github.com/go-asyncio/asyncio/bench/echo/servers/"

// findPeers builds the servers in dir. The first peer is the server in C.
func findPeers(ctx context.Context, dir string, pythons []lab.Python) ([]peer, error) {
	server := filepath.Join(dir, "server")
	if err := compile(ctx, "c/server.c", server); err != nil {
		return nil, err
	}
	if err := lab.Run(ctx, ".", "go", "build", "-o", dir+"/", module+"asyncio", module+"gonet"); err != nil {
		return nil, err
	}
	script := filepath.Join(dir, "echo.py")
	if err := extract("servers/echo.py", script); err != nil {
		return nil, err
	}
	library := filepath.Join(dir, "asyncio")
	peers := []peer{
		{name: "C, epoll", argv: []string{server}},
		{name: "**this library, `Protocol`**", argv: []string{library, "Protocol"}},
		{name: "**this library, `ReadInto`**", argv: []string{library, "ReadInto"}},
		{name: "**this library, `Read`**", argv: []string{library, "Read"}},
		{name: "Go's net, a goroutine a connection", argv: []string{filepath.Join(dir, "gonet")}},
	}
	return append(peers, pythonPeers(script, pythons)...), nil
}

// pythonPeers returns uvloop in each Python that has it, and asyncio in CPython 3.13.
func pythonPeers(script string, pythons []lab.Python) []peer {
	var uvloop, asyncio []peer
	for _, p := range pythons {
		if p.Uvloop != "" {
			uvloop = append(uvloop, pythonServers(p, script, "uvloop", p.Uvloop)...)
		}
		if strings.HasPrefix(p.Version, "3.13.") && asyncio == nil {
			asyncio = pythonServers(p, script, "asyncio", "")
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

// pythonServers returns the peers for one Python and one of its loops.
func pythonServers(p lab.Python, script, loop, version string) []peer {
	var peers []peer
	for _, api := range []string{"streams", "Protocol"} {
		name := strings.Join(strings.Fields(loop+" "+version+" "+api), " ")
		peers = append(peers, peer{
			name: fmt.Sprintf("%s (Python %s)", name, p.Version),
			argv: []string{p.Path, script, loop, strings.ToLower(api)},
		})
	}
	return peers
}

// compile compiles one of the C programs.
func compile(ctx context.Context, source, target string) error {
	file := target + ".c"
	if err := extract(source, file); err != nil {
		return err
	}
	return lab.Run(ctx, ".", compiler(), "-O2", "-Wall", "-o", target, file)
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
