package punches

import "testing"

func TestInert(t *testing.T) {
	for text, want := range map[string]string{"100017": "100017", "=1+1": "'=1+1", "+62": "'+62", "-5": "'-5", "@SUM": "'@SUM", "\tx": "'\tx", "\rx": "'\rx", "": "", "slot:7": "slot:7"} {
		if got := inert(text); got != want {
			t.Errorf("inert(%q) = %q, want %q", text, got, want)
		}
	}
}
