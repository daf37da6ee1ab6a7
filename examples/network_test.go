//go:build unix

package examples_test

import (
	"bufio"
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// A server is an example that listens.
type server struct {
	t      *testing.T
	cmd    *exec.Cmd
	addr   string
	rest   chan string // the lines that it prints after that
	stderr bytes.Buffer
}

var listening = regexp.MustCompile(`listening on (\S+)`)

// listen starts an example that prints its address, and waits until it listens.
func listen(t *testing.T, name string, args ...string) *server {
	t.Helper()
	s := &server{t: t, cmd: exec.Command(filepath.Join(binDir, name), args...), rest: make(chan string, 1)}
	s.cmd.Stderr = &s.stderr
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.cmd.Process.Kill() })
	lines := bufio.NewReader(out)
	line, err := lines.ReadString('\n')
	match := listening.FindStringSubmatch(line)
	if match == nil {
		t.Fatalf("%s printed %q (%v)", name, line, err)
	}
	s.addr = match[1]
	go func() {
		rest, _ := io.ReadAll(lines)
		s.rest <- string(rest)
	}()
	return s
}

// interrupt sends Ctrl-C and returns the output of the server since it began to listen.
func (s *server) interrupt() string {
	s.t.Helper()
	if err := s.cmd.Process.Signal(os.Interrupt); err != nil {
		s.t.Fatal(err)
	}
	rest := <-s.rest
	if err := s.cmd.Wait(); err != nil || s.stderr.Len() > 0 {
		s.t.Errorf("%v: stderr: %s", err, &s.stderr)
	}
	return rest
}

// A caller is a connection to a server that has to answer within a minute.
type caller struct {
	t *testing.T
	net.Conn
	lines *bufio.Reader
}

func call(t *testing.T, addr string) *caller {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	return &caller{t, conn, bufio.NewReader(conn)}
}

func (c *caller) say(line string) {
	c.t.Helper()
	if _, err := io.WriteString(c, line+"\n"); err != nil {
		c.t.Fatal(err)
	}
}

func (c *caller) expect(want ...string) {
	c.t.Helper()
	for _, want := range want {
		if got, err := c.lines.ReadString('\n'); got != want+"\n" {
			c.t.Fatalf("got %q (%v), want %q", got, err, want)
		}
	}
}

func (c *caller) expectEnd() {
	c.t.Helper()
	if rest, err := io.ReadAll(c.lines); len(rest) > 0 || err != nil {
		c.t.Fatalf("got %q (%v), want the end", rest, err)
	}
}

func TestEchoServerAndClient(t *testing.T) {
	t.Parallel()
	s := listen(t, "echo", "serve")
	c := call(t, s.addr)
	c.say("hello")
	c.expect("hello")

	input := strings.Repeat("0123456789abcde\n", 1<<14)
	client := exec.Command(filepath.Join(binDir, "echo"), "connect", s.addr)
	client.Stdin = strings.NewReader(input)
	output, err := client.Output()
	if err != nil || string(output) != input {
		t.Errorf("the client printed %d bytes (%v), want %d", len(output), err, len(input))
	}
	c.Close()
	if got := s.interrupt(); !strings.Contains(got, fmt.Sprintf(": %d bytes\n", len(input))) {
		t.Errorf("the server printed %q", got)
	}
}

func TestEchoClientNamesTheAddressThatRefuses(t *testing.T) {
	t.Parallel()
	_, stderr, code := start(t, "echo", "connect", freeAddr(t)).wait()
	if code != 1 || !strings.Contains(stderr, "connection refused") {
		t.Errorf("exit code %d, stderr %q", code, stderr)
	}
}

// freeAddr returns an address on which no process listens.
func freeAddr(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

func TestChat(t *testing.T) {
	t.Parallel()
	s := listen(t, "chat")
	ann, bob := call(t, s.addr), call(t, s.addr)
	ann.expect("your name?")
	ann.say("Ann")
	ann.expect("* Ann joins")
	bob.expect("your name?")
	bob.say("Ann")
	bob.expect("Ann is taken", "your name?")
	bob.say("Bob")
	bob.expect("* Bob joins")
	ann.expect("* Bob joins")
	bob.say("hi Ann")
	ann.expect("Bob: hi Ann")
	bob.expect("Bob: hi Ann")
	ann.say("/who")
	ann.expect("* Ann, Bob")
	ann.say(strings.Repeat("x", 3000)) // comes in one piece, so that no rest is taken for another line
	ann.expect("* that line was too long")
	bob.say("/quit")

	if _, err := bob.lines.ReadByte(); err != io.EOF {
		t.Errorf("after /quit: %v", err)
	}
	ann.expect("* Bob leaves")
	s.interrupt()
	ann.expect("* the chat ends")
}

func TestChatDoesNotWaitForASlowReader(t *testing.T) {
	t.Parallel()
	s := listen(t, "chat")
	slow, ann := call(t, s.addr), call(t, s.addr)
	slow.say("Slow")
	slow.expect("your name?", "* Slow joins")
	ann.say("Ann")
	ann.expect("your name?", "* Ann joins")
	// Slow reads nothing. Ann can go on, and in the end Slow is disconnected.
	line := strings.Repeat("x", 900)
	for range 100_000 {
		ann.say(line)
		got, err := ann.lines.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		if got == "* Slow leaves\n" {
			return
		}
	}
	t.Error("Slow is still there")
}

func TestPortscan(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	port := ln.Addr().(*net.TCPAddr).Port
	ports := fmt.Sprintf("%d-%d", port, min(port+50, 65535))
	stdout, stderr, code := start(t, "portscan", "-timeout", "30s", "localhost", ports).wait()
	if code != 0 || !strings.Contains("\n"+stdout, fmt.Sprintf("\n%d\n", port)) {
		t.Errorf("exit code %d, stdout %q, stderr %q; want port %d", code, stdout, stderr, port)
	}
	for _, bad := range []string{"0-5", "5-1", "1-65536", "x"} {
		if _, _, code := start(t, "portscan", "localhost", bad).wait(); code != 2 {
			t.Errorf("%s: exit code %d, want 2", bad, code)
		}
	}
}

func TestMulticore(t *testing.T) {
	t.Parallel()
	s := listen(t, "multicore", "-loops", "3")
	for i := range 30 {
		c := call(t, s.addr)
		c.say(strconv.Itoa(i))
		c.expect(strconv.Itoa(i))
		c.Close()
	}
	if got := s.interrupt(); sum(t, got, `(\d+) connections`) != 30 || strings.Count(got, "loop ") != 3 {
		t.Errorf("it printed %q, want 30 connections on 3 loops", got)
	}
}

func TestCrawl(t *testing.T) {
	t.Parallel()
	pages := map[string]string{
		"/":      `<a href="/a">a</a> <A class=x HREF='b#top'>b</A> <a href=/missing>c</a> <a href="http://example.invalid/">d</a>`,
		"/a":     `<a href="/">home</a> <a href="/b">b</a>`,
		"/b":     `<a href="/c?x=1&amp;y=2">c</a>`,
		"/c":     `<a href="/plain">p</a>`,
		"/plain": ``,
	}
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		page, ok := pages[r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, page)
	}))
	defer site.Close()
	stdout, stderr, code := start(t, "crawl", "-j", "3", site.URL).wait()
	var want strings.Builder
	for _, line := range []string{
		"200 %s/  %d bytes, 4 links", "200 %s/a  %d bytes, 2 links", "200 %s/b  %d bytes, 1 links",
		"200 %s/c?x=1&y=2  %d bytes, 1 links", "404 %s/missing  %d bytes, 0 links", "200 %s/plain  %d bytes, 0 links",
	} {
		path := regexp.MustCompile(`%s(/\w*)`).FindStringSubmatch(line)[1]
		size := len(pages[path])
		if path == "/missing" {
			size = len("404 page not found\n")
		}
		fmt.Fprintf(&want, " "+line+"\n", site.URL, size)
	}
	if code != 0 || stdout != want.String() {
		t.Errorf("exit code %d, stderr %s, got:\n%s\nwant:\n%s", code, stderr, stdout, want.String())
	}
	stdout, _, _ = start(t, "crawl", "-max", "2", site.URL).wait()
	if n := strings.Count(stdout, "\n"); n != 2 {
		t.Errorf("-max 2 printed %d pages", n)
	}
	stdout, _, code = start(t, "crawl", "http://"+freeAddr(t)).wait()
	if code != 0 || !strings.Contains(stdout, "connection refused") {
		t.Errorf("nobody there: exit code %d, stdout %q", code, stdout)
	}
}

func TestRedis(t *testing.T) {
	t.Parallel()
	path, err := exec.LookPath("redis-server")
	if err != nil {
		t.Skip("there is no redis-server here")
	}
	addr := freeAddr(t)
	_, port, _ := net.SplitHostPort(addr)
	cmd := exec.Command(path, "--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", t.TempDir())
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	for deadline := time.Now().Add(time.Minute); ; {
		conn, err := net.Dial("tcp", addr)
		if err == nil {
			conn.Close()
			break
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
	commands := exec.Command(filepath.Join(binDir, "redis"), "-addr", addr)
	commands.Stdin = strings.NewReader("SET a 1\nINCR a\nGET a\nGET none\nRPUSH l x y\nLRANGE l 0 -1\nINCR l\n\nPING\n")
	out, err := commands.CombinedOutput()
	want := "OK\n(integer) 2\n\"2\"\n(nil)\n(integer) 2\n1) \"x\"\n2) \"y\"\n" +
		"(error) WRONGTYPE Operation against a key holding the wrong kind of value\nPONG\n"
	if err != nil || string(out) != want {
		t.Errorf("%v, got:\n%s\nwant:\n%s", err, out, want)
	}
	if stdout, stderr, code := start(t, "redis", "-addr", addr, "-bench", "20000").wait(); code != 0 || !strings.HasPrefix(stdout, "20000 SETs") {
		t.Errorf("-bench: exit code %d, stdout %q, stderr %q", code, stdout, stderr)
	}
}

func TestKeyvalue(t *testing.T) {
	t.Parallel()
	s := listen(t, "keyvalue")
	client := exec.Command(filepath.Join(binDir, "redis"), "-addr", s.addr)
	client.Stdin = strings.NewReader("PING\nSET a 1\nINCR a\nGET a\nGET none\nDEL a b\nECHO hello\nSET a\nSET a x\nINCR a\n")
	out, err := client.CombinedOutput()
	want := "PONG\nOK\n(integer) 2\n\"2\"\n(nil)\n(integer) 1\n\"hello\"\n" +
		"(error) ERR unknown command 'SET', or a wrong number of arguments\nOK\n(error) ERR value is not an integer\n"
	if err != nil || string(out) != want {
		t.Errorf("%v, got:\n%s\nwant:\n%s", err, out, want)
	}
	if stdout, stderr, code := start(t, "redis", "-addr", s.addr, "-bench", "20000").wait(); code != 0 || !strings.HasPrefix(stdout, "20000 SETs") {
		t.Errorf("-bench: exit code %d, stdout %q, stderr %q", code, stdout, stderr)
	}

	c := call(t, s.addr)
	for _, part := range []string{"*2\r", "\n$4\r\nec", "ho\r\n$2\r\n", "\n\n\r\n\r\n", "quit"} { // in pieces
		if _, err := io.WriteString(c, part); err != nil {
			t.Fatal(err)
		}
	}
	c.expect("$2\r", "", "", "\r")
	c.say("")
	c.expect("+OK\r")
	c.expectEnd()
	// The server has read all of these when it closes the connection.
	for input, want := range map[string]string{
		"*x\r\n": "-ERR protocol error\r", "*1\r\n!\n": "-ERR protocol error\r", "*9999\r\n": "-ERR protocol error: too big a command\r",
		strings.Repeat("x", 1<<20+1): "-ERR protocol error: too big a command\r",
	} {
		c := call(t, s.addr)
		if _, err := io.WriteString(c, input); err != nil {
			t.Fatal(err)
		}
		c.expect(want)
		c.expectEnd()
	}
	if rest := s.interrupt(); rest != "" {
		t.Errorf("the server printed %q", rest)
	}
}

// A session whose client does not read keeps few replies, and others go on.
func TestKeyvalueDoesNotWaitForASlowReader(t *testing.T) {
	t.Parallel()
	const replies, size = 400, 100_000
	s := listen(t, "keyvalue")
	slow, other := call(t, s.addr), call(t, s.addr)
	value := strings.Repeat("v", size)
	slow.say("SET v " + value)
	slow.expect("+OK\r")
	slow.say(strings.TrimSuffix(strings.Repeat("GET v\n", replies), "\n"))
	other.say("PING")
	other.expect("+PONG\r")
	for range replies {
		slow.expect(fmt.Sprintf("$%d\r", size), value+"\r")
	}
	s.interrupt()
	slow.expectEnd()
}

func TestRedisWithoutAServer(t *testing.T) {
	t.Parallel()
	_, stderr, code := start(t, "redis", "-addr", freeAddr(t), "PING").wait()
	if code != 1 || !strings.Contains(stderr, "connection refused") {
		t.Errorf("exit code %d, stderr %q", code, stderr)
	}
}

func TestTLSProxy(t *testing.T) {
	t.Parallel()
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(w, r.Body)
	}))
	defer site.Close()
	dir := t.TempDir()
	pool := writeCertificate(t, dir)
	s := listen(t, "tlsproxy", "-cert", filepath.Join(dir, "cert.pem"), "-key", filepath.Join(dir, "key.pem"),
		"-to", site.Listener.Addr().String())
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}}
	defer client.CloseIdleConnections()
	body := strings.Repeat("0123456789", 100_000)
	for range 3 {
		response, err := client.Post("https://"+s.addr+"/", "text/plain", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(response.Body)
		response.Body.Close()
		if err != nil || string(got) != body {
			t.Fatalf("got %d bytes (%v), want %d", len(got), err, len(body))
		}
	}
	if _, err := http.Get("https://" + s.addr); err == nil {
		t.Error("a client that does not trust the certificate was served")
	}
	client.CloseIdleConnections()
	s.interrupt()
}

// writeCertificate writes a certificate for 127.0.0.1 and its key, and returns a pool that trusts
// it.
func writeCertificate(t *testing.T, dir string) *x509.CertPool {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "proxy"}, NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{
		"cert.pem": {Type: "CERTIFICATE", Bytes: der},
		"key.pem":  {Type: "PRIVATE KEY", Bytes: keyDER},
	} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	pool := x509.NewCertPool()
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool.AddCert(cert)
	return pool
}

func TestInspect(t *testing.T) {
	t.Parallel()
	s := listen(t, "inspect", "-deadlock", "0s")
	url := "http://" + s.addr + "/debug/asyncio/"
	for _, want := range []string{
		`transfer out, waiting \S+ for Lock "account 2", held by transfer back since \S+`,
		`transfer back, waiting \S+ for Lock "account 1", held by transfer out since \S+`,
		`receipt printer, waiting \S+ for a value in Queue "receipts"`,
		`Tasks wait for one another: transfer`,
		`audit of order \d+, waiting \S+ for Event "audited"`,
		`task report (took|still blocks the loop, for) \S+, since \S+\n(\t.*\n)*\t\S+shop\)\.report `,
		`Servers, 1:\n\taddress tcp 127\.0\.0\.1:\d+, state accepting, connections 3, handlers 3`,
		`Streams, 6:`,
		`name orders, kind Queue, values \d+, at most 20`,
	} {
		for pattern := regexp.MustCompile(want); !pattern.MatchString(fetch(t, url+"dump")); {
			time.Sleep(50 * time.Millisecond) // until the shop has come so far
		}
	}
	if page := fetch(t, url); !strings.Contains(page, "<!DOCTYPE html>") {
		t.Errorf("got %q as the page", page)
	}
}

func fetch(t *testing.T, url string) string {
	t.Helper()
	r, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	if err != nil || r.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s, %v", url, r.Status, err)
	}
	return string(body)
}
