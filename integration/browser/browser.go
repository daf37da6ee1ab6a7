// Package browser drives a headless Chromium, for the tests and the picture of the page of package
// inspect. It speaks the DevTools protocol over pipes.
package browser

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
)

// ErrNotFound is returned by Start if no Chromium is installed.
var ErrNotFound = errors.New("browser: found no chromium; make browser installs it on Debian, as root")

// A Browser is a Chromium with one page. One goroutine at a time may use it.
type Browser struct {
	cmd      *exec.Cmd
	profile  string
	commands io.WriteCloser
	replies  *bufio.Reader
	lastID   int
	session  string // of the page; "" until it is open

	// Complaints are the errors of the page's script and what the browser has logged about the page,
	// such as violations of its policy.
	Complaints []string

	// Requests are the addresses that the page has requested.
	Requests []string
}

// Start starts a browser. It is killed when ctx is done, and all calls then fail.
func Start(ctx context.Context, width, height int) (_ *Browser, err error) {
	path, err := find()
	if err != nil {
		return nil, err
	}
	profile, err := os.MkdirTemp("", "asyncio-browser-")
	if err != nil {
		return nil, err
	}
	b := &Browser{profile: profile}
	b.cmd = exec.CommandContext(ctx, path, "--headless", "--remote-debugging-pipe", "--no-sandbox", "--disable-gpu",
		"--disable-dev-shm-usage", "--no-first-run", "--disable-extensions", "--disable-background-networking",
		"--hide-scrollbars", "--user-data-dir="+profile, "about:blank")
	defer func() {
		if err != nil {
			b.Close()
		}
	}()
	if err := b.connect(); err != nil {
		return nil, err
	}
	var target struct{ TargetID string }
	if err := b.call("Target.createTarget", object{"url": "about:blank"}, &target); err != nil {
		return nil, err
	}
	var attached struct{ SessionID string }
	if err := b.call("Target.attachToTarget", object{"targetId": target.TargetID, "flatten": true}, &attached); err != nil {
		return nil, err
	}
	b.session = attached.SessionID
	for _, domain := range []string{"Page", "Runtime", "Log", "Network"} {
		if err := b.call(domain+".enable", nil, nil); err != nil {
			return nil, err
		}
	}
	size := object{"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false}
	return b, b.call("Emulation.setDeviceMetricsOverride", size, nil)
}

// find returns the path of a Chromium.
func find() (string, error) {
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", ErrNotFound
}

// connect starts the process, which reads commands from its descriptor 3 and writes to 4.
func (b *Browser) connect() error {
	in, commands, err := os.Pipe()
	if err != nil {
		return err
	}
	defer in.Close()
	replies, out, err := os.Pipe()
	if err != nil {
		commands.Close()
		return err
	}
	defer out.Close()
	b.commands, b.replies = commands, bufio.NewReader(replies)
	b.cmd.ExtraFiles = []*os.File{in, out}
	return b.cmd.Start()
}

// Close ends the browser.
func (b *Browser) Close() {
	if b.commands != nil {
		b.commands.Close()
	}
	if b.cmd.Process != nil {
		_ = b.cmd.Process.Kill()
		_ = b.cmd.Wait()
	}
	_ = os.RemoveAll(b.profile)
}

type object = map[string]any

// A message is a reply or an event.
type message struct {
	ID     int
	Method string
	Params json.RawMessage
	Result json.RawMessage
	Error  *struct{ Message string }
}

// call sends a command and waits for its result.
func (b *Browser) call(method string, params object, result any) error {
	b.lastID++
	command := object{"id": b.lastID, "method": method}
	if params != nil {
		command["params"] = params
	}
	if b.session != "" {
		command["sessionId"] = b.session
	}
	data, err := json.Marshal(command)
	if err != nil {
		return err
	}
	if _, err := b.commands.Write(append(data, 0)); err != nil {
		return fmt.Errorf("browser: %s: %w", method, err)
	}
	for {
		data, err := b.replies.ReadBytes(0)
		if err != nil {
			return fmt.Errorf("browser: %s: %w", method, err)
		}
		var m message
		if err := json.Unmarshal(data[:len(data)-1], &m); err != nil {
			return fmt.Errorf("browser: %s: %w", method, err)
		}
		switch {
		case m.Method == "Runtime.exceptionThrown" || m.Method == "Log.entryAdded":
			b.Complaints = append(b.Complaints, string(m.Params))
		case m.Method == "Network.requestWillBeSent":
			var sent struct{ Request struct{ URL string } }
			if err := json.Unmarshal(m.Params, &sent); err != nil {
				return fmt.Errorf("browser: %s: %w", m.Method, err)
			}
			b.Requests = append(b.Requests, sent.Request.URL)
		case m.ID != b.lastID: // another event
		case m.Error != nil:
			return fmt.Errorf("browser: %s: %s", method, m.Error.Message)
		case result == nil:
			return nil
		default:
			return json.Unmarshal(m.Result, result)
		}
	}
}

// Open opens a page.
func (b *Browser) Open(url string) error {
	var opened struct{ ErrorText string }
	if err := b.call("Page.navigate", object{"url": url}, &opened); err != nil {
		return err
	}
	if opened.ErrorText != "" {
		return fmt.Errorf("browser: %s: %s", url, opened.ErrorText)
	}
	return b.Wait("document.readyState === 'complete'")
}

// Eval evaluates an expression in the page, awaits it if it is a promise, and stores its value in
// result, unless that is nil.
func (b *Browser) Eval(expression string, result any) error {
	var evaluated struct {
		Result           struct{ Value json.RawMessage }
		ExceptionDetails *struct {
			Text      string
			Exception struct{ Description string }
		}
	}
	params := object{"expression": expression, "awaitPromise": true, "returnByValue": true, "userGesture": true}
	if err := b.call("Runtime.evaluate", params, &evaluated); err != nil {
		return err
	}
	if e := evaluated.ExceptionDetails; e != nil {
		return fmt.Errorf("browser: %s: %s %s", expression, e.Text, e.Exception.Description)
	}
	if result == nil {
		return nil
	}
	return json.Unmarshal(evaluated.Result.Value, result)
}

// Wait waits until a condition holds in the page. It returns an error if that takes more than a minute.
func (b *Browser) Wait(condition string) error {
	return b.Eval(`new Promise((done, fail) => {
		const end = Date.now() + 60000;
		const look = () => (`+condition+`) ? done() : Date.now() > end ? fail(new Error('it did not come true')) : setTimeout(look, 20);
		look();
	})`, nil)
}

// Press presses and releases a key, such as "Enter" or "a".
func (b *Browser) Press(key string) error {
	down := object{"type": "keyDown", "key": key}
	if len(key) == 1 {
		down["text"] = key
	} else if key == "Enter" { // without its text, it does not press a button
		down["text"], down["windowsVirtualKeyCode"] = "\r", 13
	}
	if err := b.call("Input.dispatchKeyEvent", down, nil); err != nil {
		return err
	}
	return b.call("Input.dispatchKeyEvent", object{"type": "keyUp", "key": key}, nil)
}

// Type types text into the element that has the focus.
func (b *Browser) Type(text string) error {
	return b.call("Input.insertText", object{"text": text}, nil)
}

// PreferDark makes the page dark or light.
func (b *Browser) PreferDark(on bool) error {
	scheme := "light"
	if on {
		scheme = "dark"
	}
	return b.call("Emulation.setEmulatedMedia", object{"features": []object{{"name": "prefers-color-scheme", "value": scheme}}}, nil)
}

// Screenshot returns a picture of the page, as PNG.
func (b *Browser) Screenshot() ([]byte, error) {
	var shot struct{ Data string }
	if err := b.call("Page.captureScreenshot", object{"format": "png"}, &shot); err != nil {
		return nil, err
	}
	return base64.StdEncoding.DecodeString(shot.Data)
}
