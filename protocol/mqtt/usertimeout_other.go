//go:build !linux

package mqtt

import (
	"syscall"
	"time"
)

// userTimeout exists on Linux only; elsewhere pings and write limits remain.
func userTimeout(time.Duration) func(network, address string, c syscall.RawConn) error { return nil }
