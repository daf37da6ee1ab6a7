package conformance

import (
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"slices"
	"strconv"
	"strings"

	"github.com/go-asyncio/asyncio"
)

// show returns the text of a value or an error in a trace. A KeyError without arguments gives
// Python's IndexError, since the oracle cannot print it.
func show(v any) (string, error) {
	switch v := v.(type) {
	case nil:
		return "nil", nil
	case bool:
		return strconv.FormatBool(v), nil
	case int:
		return strconv.Itoa(v), nil
	case json.Number:
		return number(v), nil
	case string:
		return v, nil
	case []any:
		return showList(v)
	case []asyncio.Result[any]:
		return showResults(v)
	case []string:
		return "[" + strings.Join(v, ",") + "]", nil
	case error:
		return showError(v)
	}
	return fmt.Sprintf("%T", v), nil
}

// shown is show for the last line of a trace, after which nothing can raise.
func shown(v any) string {
	s, err := show(v)
	if err != nil {
		return err.Error()
	}
	return s
}

// showList formats a list. If its only element is a whole, it formats the value of the whole.
func showList(l []any) (string, error) {
	if len(l) == 1 {
		if w, ok := l[0].(whole); ok {
			return show(w.value)
		}
	}
	parts := make([]string, len(l))
	for i, v := range l {
		var err error
		if parts[i], err = show(v); err != nil {
			return "", err
		}
	}
	return "[" + strings.Join(parts, ",") + "]", nil
}

func showResults(l []asyncio.Result[any]) (string, error) {
	values := make([]any, len(l))
	for i, r := range l {
		values[i] = r.Value
		if r.Err != nil {
			values[i] = r.Err
		}
	}
	return showList(values)
}

func showError(err error) (string, error) {
	switch class := classOf(err); class {
	case classCancelled:
		if e := err.(*asyncio.CancelledError); e.Cause != nil {
			return class + ":" + e.Cause.Error(), nil
		}
		return class, nil
	case classGroup:
		var subs []any
		for _, e := range err.(*asyncio.ExceptionGroup).Errors {
			subs = append(subs, e)
		}
		text, err := showList(subs)
		return class + text, err
	case classKey:
		msg := err.(*exception).msg
		if msg == nil {
			return "", errIndex
		}
		return class + ":" + *msg, nil
	case classValue:
		// The library's own text is omitted, since it need not match CPython's.
		if e, ok := err.(*exception); ok && e.msg != nil && strings.HasPrefix(*e.msg, "!") {
			return class + ":" + *e.msg, nil
		}
		return class, nil
	default:
		return class, nil
	}
}

// number formats a JSON number as Python's str does.
func number(n json.Number) string {
	if i, ok := new(big.Int).SetString(n.String(), 10); ok {
		return i.String()
	}
	f, _ := n.Float64() // an infinity if it is too large, as in Python
	if math.IsInf(f, 0) {
		return strings.ToLower(strings.TrimPrefix(strconv.FormatFloat(f, 'g', -1, 64), "+"))
	}
	s := strconv.FormatFloat(f, 'e', -1, 64)
	exp, _ := strconv.Atoi(s[strings.IndexByte(s, 'e')+1:])
	if f == 0 || (-4 <= exp && exp < 16) {
		s = strconv.FormatFloat(f, 'f', -1, 64)
		if !strings.Contains(s, ".") {
			s += ".0"
		}
	}
	return s
}

// compare orders the values of a priority queue as Python's < does. It panics with errType where
// Python raises TypeError.
func compare(a, b any) int {
	switch x := a.(type) {
	case string:
		if y, ok := b.(string); ok {
			return strings.Compare(x, y)
		}
	case []any:
		if y, ok := b.([]any); ok {
			return slices.CompareFunc(x, y, compareItems)
		}
	default:
		x1, ok1 := rational(a)
		x2, ok2 := rational(b)
		if ok1 && ok2 {
			return x1.Cmp(x2)
		}
	}
	panic(errType)
}

// compareItems orders the items of two lists. Python does not use < on equal items, so two nils are
// equal.
func compareItems(a, b any) int {
	if a == nil && b == nil {
		return 0
	}
	return compare(a, b)
}

// rational returns the value of a number, or of a bool, which is a number in Python.
func rational(v any) (*big.Rat, bool) {
	switch v := v.(type) {
	case bool:
		if v {
			return big.NewRat(1, 1), true
		}
		return new(big.Rat), true
	case json.Number:
		return new(big.Rat).SetString(v.String())
	}
	return nil, false
}
