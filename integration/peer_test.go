//go:build integration

package integration

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-asyncio/asyncio"
)

// need returns the path of a program. If it is missing the test is skipped, or fails in CI.
func need(t *testing.T, names ...string) string {
	t.Helper()
	for _, name := range names {
		for _, path := range []string{name, "/usr/sbin/" + name} {
			if found, err := exec.LookPath(path); err == nil {
				return found
			}
		}
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("%v is missing", names)
	}
	t.Skipf("%v is missing here", names)
	return ""
}

// A peer is a program that runs until the test ends.
type peer struct {
	cmd    *exec.Cmd
	output *bytes.Buffer // may be read once the peer has ended
	ended  chan struct{}
}

// start starts a peer in a process group of its own.
func start(t *testing.T, path string, args ...string) *peer {
	t.Helper()
	p := &peer{cmd: exec.Command(path, args...), output: new(bytes.Buffer), ended: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = p.output, p.output
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	require.NoError(t, p.cmd.Start())
	go func() {
		defer close(p.ended)
		_ = p.cmd.Wait()
	}()
	t.Cleanup(func() {
		_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
		<-p.ended
		if t.Failed() {
			t.Logf("%s: %s", filepath.Base(path), p.output)
		}
	})
	return p
}

// ready waits until the peer listens.
func (p *peer) ready(t *testing.T, network, addr string) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; {
		conn, err := net.Dial(network, addr)
		if err == nil {
			conn.Close()
			return
		}
		select {
		case <-p.ended:
			t.Fatalf("%s has ended: %s", p.cmd.Path, p.output)
		default:
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}

// freeAddr returns a loopback address on which no process listens, and its port.
func freeAddr(t *testing.T) (addr, port string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer ln.Close()
	addr = ln.Addr().String()
	_, port, err = net.SplitHostPort(addr)
	require.NoError(t, err)
	return addr, port
}

// run runs main on a loop, for two minutes at most. Any report fails the test.
func run(t *testing.T, main func(ctx context.Context) error) {
	t.Helper()
	_, err := asyncio.Run(t.Context(), asyncio.Do(func(ctx context.Context) error {
		return asyncio.Timeout(ctx, 2*time.Minute, func(ctx context.Context, _ *asyncio.TimeoutScope) error { return main(ctx) })
	}), asyncio.WithExceptionHandler(func(_ *asyncio.Loop, c asyncio.ExceptionContext) {
		t.Errorf("reported: %s: %v", c.Message, c.Err)
	}))
	require.NoError(t, err)
}

// program runs a program to its end, on the loop, and returns its output.
func program(ctx context.Context, path string, args ...string) ([]byte, error) {
	p, err := asyncio.CreateSubprocessExec(ctx, path, args, asyncio.WithStdin(asyncio.DevNull), asyncio.WithStdout(asyncio.Pipe), asyncio.WithStderr(asyncio.Pipe))
	if err != nil {
		return nil, err
	}
	stdout, stderr, err := p.Communicate(ctx, nil)
	if err != nil {
		return nil, err
	}
	if code, _ := p.ReturnCode(); code != 0 {
		return stdout, fmt.Errorf("%s ended with %d: %s%s", filepath.Base(path), code, stdout, stderr)
	}
	return stdout, nil
}

// echo is a handler that sends back what it reads.
func echo(ctx context.Context, r *asyncio.StreamReader, w *asyncio.StreamWriter) error {
	for {
		p, err := r.Read(ctx, 64<<10)
		if err != nil {
			return nil
		}
		if _, err := w.Write(p); err != nil {
			return nil
		}
		if err := w.Drain(ctx); err != nil {
			return nil
		}
	}
}

// certificates holds a certificate for a server called localhost, and its files.
type certificates struct {
	server, client    *tls.Config
	certFile, keyFile string
}

func newCertificates(t *testing.T) *certificates {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	dir := t.TempDir()
	c := &certificates{certFile: filepath.Join(dir, "cert.pem"), keyFile: filepath.Join(dir, "key.pem")}
	require.NoError(t, os.WriteFile(c.certFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	require.NoError(t, os.WriteFile(c.keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}), 0o600))
	cert, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	pool := x509.NewCertPool()
	pool.AddCert(cert)
	c.server = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	c.client = &tls.Config{RootCAs: pool, ServerName: "localhost"}
	return c
}
