//go:build integration

package integration

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-asyncio/asyncio"
)

// startNginx starts an nginx that serves dir.
func startNginx(t *testing.T, dir string) (addr string) {
	path := need(t, "nginx")
	addr, _ = freeAddr(t)
	prefix := t.TempDir()
	config := fmt.Sprintf(`daemon off; master_process off; error_log stderr; pid %[1]s/pid;
events { worker_connections 512; }
http {
	access_log off; client_body_temp_path %[1]s; proxy_temp_path %[1]s; fastcgi_temp_path %[1]s;
	uwsgi_temp_path %[1]s; scgi_temp_path %[1]s;
	server { listen %[2]s; root %[3]s; }
}`, prefix, addr, dir)
	file := filepath.Join(prefix, "nginx.conf")
	require.NoError(t, os.WriteFile(file, []byte(config), 0o600))
	start(t, path, "-e", "stderr", "-p", prefix, "-c", file).ready(t, "tcp", addr)
	return addr
}

func randomFile(t *testing.T, path string, size int) []byte {
	t.Helper()
	p := make([]byte, size)
	_, _ = rand.New(rand.NewSource(1)).Read(p)
	require.NoError(t, os.WriteFile(path, p, 0o644))
	return p
}

func TestNginxAnswersRepeatedlyOverOneConn(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.Chmod(dir, 0o755))
	small, big := randomFile(t, filepath.Join(dir, "small"), 1000), randomFile(t, filepath.Join(dir, "big"), 10<<20)
	addr := startNginx(t, dir)
	run(t, func(ctx context.Context) error {
		r, w, err := asyncio.OpenConnection(ctx, addr)
		require.NoError(t, err)
		conn := asyncio.NewConn(ctx, r, w)
		defer conn.Close()
		in := bufio.NewReader(conn)
		for i := range 20 {
			name, want := "small", small
			if i%10 == 9 {
				name, want = "big", big
			}
			request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/"+name, nil)
			require.NoError(t, err)
			require.NoError(t, request.Write(conn))
			response, err := http.ReadResponse(in, request)
			require.NoError(t, err)
			got, err := io.ReadAll(response.Body)
			require.NoError(t, err)
			require.NoError(t, response.Body.Close())
			require.Equal(t, http.StatusOK, response.StatusCode)
			require.Equal(t, sha256.Sum256(want), sha256.Sum256(got))
		}
		return nil
	})
}

func TestNginxAnswersNetHTTPInThreads(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.Chmod(dir, 0o755))
	want := randomFile(t, filepath.Join(dir, "file"), 100_000)
	addr := startNginx(t, dir)
	run(t, func(ctx context.Context) error {
		slots := asyncio.NewSemaphore(8)
		return asyncio.WithTaskGroup(ctx, func(ctx context.Context, tg *asyncio.TaskGroup) error {
			for range 100 {
				tg.Go(func(ctx context.Context) error {
					return slots.With(ctx, func(ctx context.Context) error {
						got, err := asyncio.ToThread(ctx, func(context.Context) ([]byte, error) {
							response, err := http.Get("http://" + addr + "/file")
							if err != nil {
								return nil, err
							}
							defer response.Body.Close()
							return io.ReadAll(response.Body)
						})
						require.True(t, bytes.Equal(want, got))
						return err
					})
				})
			}
			return nil
		})
	})
}

// serveHTTP is a small HTTP server. It answers with the body that it receives, or with a greeting.
func serveHTTP(ctx context.Context, r *asyncio.StreamReader, w *asyncio.StreamWriter) error {
	conn := asyncio.NewConn(ctx, r, w)
	in := bufio.NewReader(conn)
	for {
		request, err := http.ReadRequest(in)
		if errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		if request.Header.Get("Expect") == "100-continue" {
			fmt.Fprint(w, "HTTP/1.1 100 Continue\r\n\r\n")
		}
		body, err := io.ReadAll(request.Body)
		if err != nil {
			return err
		}
		if len(body) == 0 {
			body = []byte("hello from a task\n")
		}
		response := &http.Response{StatusCode: 200, ProtoMajor: 1, ProtoMinor: 1, Request: request,
			ContentLength: int64(len(body)), Body: io.NopCloser(bytes.NewReader(body))}
		if err := response.Write(conn); err != nil {
			return err
		}
	}
}

func TestCurlTalksToAServer(t *testing.T) {
	curl := need(t, "curl")
	certs := newCertificates(t)
	upload := filepath.Join(t.TempDir(), "upload")
	want := randomFile(t, upload, 5<<20)
	for scheme, opts := range map[string][]asyncio.ServeOption{
		"http":  nil,
		"https": {asyncio.WithTLS(certs.server)},
	} {
		t.Run(scheme, func(t *testing.T) {
			run(t, func(ctx context.Context) error {
				s, err := asyncio.StartServer(ctx, serveHTTP, "127.0.0.1:0", opts...)
				require.NoError(t, err)
				url := scheme + "://" + s.Addr().String() + "/"
				base := []string{"--silent", "--show-error", "--fail", "--max-time", "60", "--cacert", certs.certFile}
				got, err := program(ctx, curl, append(base, url)...)
				require.NoError(t, err)
				require.Equal(t, "hello from a task\n", string(got))
				got, err = program(ctx, curl, append(base, "--data-binary", "@"+upload, url)...)
				require.NoError(t, err)
				require.True(t, bytes.Equal(want, got), "%d bytes came back", len(got))
				got, err = program(ctx, curl, append(base, url, url, url)...) // on one connection
				require.NoError(t, err)
				require.Equal(t, strings.Repeat("hello from a task\n", 3), string(got))
				s.Close()
				return s.WaitClosed(ctx)
			})
		})
	}
}
