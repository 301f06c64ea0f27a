package clock

import (
	"golang.org/x/sys/unix"

	"github.com/bkpsdmd-babel/sidik/protocol"
)

// Kernel asks the kernel whether the system's clock is synchronised (adjtimex;
// chrony and systemd-timesyncd tell the kernel).
func Kernel() protocol.ClockState {
	var t unix.Timex
	if _, err := unix.Adjtimex(&t); err != nil || t.Status&unix.STA_UNSYNC != 0 {
		return protocol.ClockHeld
	}
	return protocol.ClockSynchronised
}
