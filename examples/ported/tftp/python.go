package main

import (
	"fmt"
	"net"
	"strconv"
	"strings"
)

// The log has values in Python's notation, so that it can be compared with the original's.

func pyAddr(addr net.Addr) string {
	host, port, _ := net.SplitHostPort(addr.String())
	return fmt.Sprintf("('%s', %s)", host, port)
}

func pyBytes(name string) string { return "b'" + name + "'" }

func pyFloat(f float64) string {
	s := strconv.FormatFloat(f, 'f', -1, 64)
	if !strings.Contains(s, ".") {
		s += ".0"
	}
	return s
}
