//go:build !portable && (darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package reactor_test

import (
	"io"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/go-asyncio/asyncio/internal/netfd"
	"github.com/go-asyncio/asyncio/internal/poll"
	"github.com/go-asyncio/asyncio/internal/reactor"
)

// user is the handler of an FD.
type user struct{ fd reactor.FD }

func (u *user) OnReady(ready poll.Ready) { u.fd.Note(ready) }
func (u *user) OnLost()                  { u.fd.Close() }

// open makes an FD from one of two connected sockets.
func open(t *testing.T, r *reactor.Reactor, u *user) (peer int) {
	t.Helper()
	a, b := pair(t)
	u.fd.Socket = true
	require.NoError(t, u.fd.Open(r, a, u))
	require.NoError(t, r.Wait(0))
	return b
}

func TestAnFDReadsUntilNothingIsLeftAndThenWaitsForAnEvent(t *testing.T) {
	r := newReactor(t)
	var u user
	peer := open(t, r, &u)
	p := make([]byte, 3)
	_, err := u.fd.Read(p)
	require.Equal(t, netfd.ErrAgain, err)

	write(t, peer, "hello")
	_, err = u.fd.Read(p)
	require.Equal(t, netfd.ErrAgain, err, "without a system call")
	require.NoError(t, r.Wait(0))
	for _, want := range []string{"hel", "lo"} {
		n, err := u.fd.Read(p)
		require.NoError(t, err)
		require.Equal(t, want, string(p[:n]))
	}
	require.True(t, u.fd.Readable, "a short read may leave bytes unread")
	_, err = u.fd.Read(p)
	require.Equal(t, netfd.ErrAgain, err)
	require.False(t, u.fd.Readable)

	require.NoError(t, unix.Close(peer))
	require.NoError(t, r.Wait(0))
	require.True(t, u.fd.Hangup)
	_, err = u.fd.Read(p)
	require.Equal(t, io.EOF, err)
}

func TestAShortReadLeavesNothingUnlessThePeerHasHungUp(t *testing.T) {
	r := newReactor(t)
	var u user
	u.fd.ShortReadIsAll = true
	peer := open(t, r, &u)
	p := make([]byte, 10)
	write(t, peer, "x")
	require.NoError(t, r.Wait(0))
	_, err := u.fd.Read(p)
	require.NoError(t, err)
	require.Equal(t, !poll.SeesUrgentData, u.fd.Readable)

	write(t, peer, "x")
	require.NoError(t, unix.Close(peer))
	require.NoError(t, r.Wait(0))
	_, err = u.fd.Read(p)
	require.NoError(t, err)
	require.True(t, u.fd.Readable)
	_, err = u.fd.Read(p)
	require.Equal(t, io.EOF, err)
}

func TestAnFDWritesUntilThereIsNoRoomAndThenWaitsForAnEvent(t *testing.T) {
	r := newReactor(t)
	var u user
	peer := open(t, r, &u)
	p := make([]byte, 64<<10)
	var err error
	for err == nil {
		_, err = u.fd.Write(p)
	}
	require.Equal(t, netfd.ErrAgain, err)
	require.False(t, u.fd.Writable)
	for err = nil; err == nil; {
		_, err = unix.Read(peer, p)
	}
	_, err = u.fd.Write(p)
	require.Equal(t, netfd.ErrAgain, err, "without a system call")
	require.NoError(t, r.Wait(0))
	_, err = u.fd.Write(p)
	require.NoError(t, err)
	require.NoError(t, unix.Close(peer))
	_, err = u.fd.Write(p)
	require.Equal(t, unix.EPIPE, err)
}

func TestAnFDMayBeAPipe(t *testing.T) {
	r := newReactor(t)
	var fds [2]int
	require.NoError(t, unix.Pipe(fds[:]))
	var in, out user
	for i, u := range []*user{&in, &out} {
		require.NoError(t, unix.SetNonblock(fds[i], true))
		require.NoError(t, u.fd.Open(r, fds[i], u))
	}
	require.NoError(t, r.Wait(0))
	n, err := out.fd.Write([]byte("x"))
	require.NoError(t, err)
	require.Equal(t, 1, n)
	require.NoError(t, r.Wait(0))
	n, err = in.fd.Read(make([]byte, 2))
	require.NoError(t, err)
	require.Equal(t, 1, n)
	out.fd.Close()
	require.NoError(t, r.Wait(0))
	_, err = in.fd.Read(make([]byte, 2))
	require.Equal(t, io.EOF, err)
	in.fd.Close()
}

func TestAnFDIsClosedOnce(t *testing.T) {
	r := newReactor(t)
	var u user
	open(t, r, &u)
	num := u.fd.Num
	u.fd.Close()
	require.Equal(t, -1, u.fd.Num)
	require.Nil(t, r.Handler(num))
	again, err := unix.Dup(0) // gets the lowest free number
	require.NoError(t, err)
	require.Equal(t, num, again)
	u.fd.Close()
	require.NoError(t, unix.Close(again), "the number belongs to another file by now")
}

func TestAReactorClosesTheFDsThatAreOpen(t *testing.T) {
	r := newReactor(t)
	var u user
	open(t, r, &u)
	num := u.fd.Num
	r.Close()
	require.Equal(t, -1, u.fd.Num)
	require.Equal(t, unix.EBADF, unix.Close(num))
}

func TestADescriptorThatCannotBePolledIsClosed(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("kqueue polls files, too")
	}
	r := newReactor(t)
	fd, err := unix.Open("fd_test.go", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	require.NoError(t, err)
	var u user
	require.Equal(t, unix.EPERM, u.fd.Open(r, fd, &u))
	require.Equal(t, -1, u.fd.Num)
	require.Equal(t, unix.EBADF, unix.Close(fd))
	require.Zero(t, r.Active())
}
