package asyncio_test

import (
	"regexp"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The functions on the hot path must be inlined, since a call after a switch costs as much as a
// mispredicted branch. They are only a few statements below the compiler's budget.
func TestTheHotPathIsInlined(t *testing.T) {
	out, err := goCommand(t, "build", "-gcflags=-m=2", ".").CombinedOutput()
	require.NoError(t, err, "%s", out)
	inlined := make(map[string]bool)
	typeArguments := regexp.MustCompile(`\[[^]]*\]`)
	for _, m := range regexp.MustCompile(`(?m)^\S+: can inline (\S+) with cost`).FindAllSubmatch(out, -1) {
		inlined[typeArguments.ReplaceAllString(string(m[1]), "")] = true
	}
	for _, name := range []string{
		"Sleep", "(*Lock).Acquire", "(*Lock).Release", "(*Event).Wait", "(*Semaphore).Release", "(*waitq).wait", "(*node).unlink",
		"(*task).direct", "(*task).settle", "(*taskContext).runs", "(*future).seen", "(*Loop).check", "(*Loop).checkCallback",
		"fiber.(*Fiber).Resume", "fiber.(*Fiber).Suspend", "fiber.(*Fiber).Is",
	} {
		assert.True(t, inlined[name], name)
	}
}
