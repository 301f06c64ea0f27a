package systemdtest_test

import (
	"slices"
	"testing"

	"github.com/bkpsdmd-babel/sidik/systemd/systemdtest"
)

func TestRefusedCallsAreNamed(t *testing.T) {
	const unit = "[Service]\nSystemCallFilter=@system-service\nSystemCallFilter=~@privileged @resources\nSystemCallFilter=adjtimex\n"
	const trace = "12 openat(AT_FDCWD, \"x\") = 3\n13 reboot(1) = -1\n12 <... read resumed>) = 1\n12 adjtimex({}) = 0\n12 chown(\"x\") = 0\n12 setpriority(0) = 0\n12 --- SIGURG ---\n"
	refused, err := systemdtest.Refused(unit, trace)
	if want := []string{"chown", "reboot", "setpriority"}; err != nil || !slices.Equal(refused, want) {
		t.Errorf("refused %q, %v; want %q", refused, err, want)
	}
	for name, row := range map[string][2]string{"no filter": {"[Service]", trace}, "no call": {unit, "nothing"}, "a group that is none": {"SystemCallFilter=@nothing", trace}} {
		t.Run(name, func(t *testing.T) {
			if _, err := systemdtest.Refused(row[0], row[1]); err == nil {
				t.Error("no error")
			}
		})
	}
}
