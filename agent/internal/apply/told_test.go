package apply_test

import (
	"testing"
	"time"

	"github.com/bkpsdmd-babel/sidik/protocol"
)

// A terminal on which nothing changes is told of all the same, now and then: a
// validation must know that it was looked at.
func TestUnchangedInventoryIsToldAgain(t *testing.T) {
	o := newOffice(t)
	o.every = 20 * time.Millisecond
	o.start()
	o.machine.enrol(3, "1234", "user", []byte("somebody's"))
	deadline := time.After(20 * time.Second)
	for told := 0; told < 3; {
		_, said, found := o.out.Next()
		if !found {
			select {
			case <-o.out.Outgoing():
			case <-deadline:
				t.Fatalf("the inventory was told %d times, want again and again", told)
			}
			continue
		}
		if _, is := said.(protocol.Inventory); is {
			told++
		}
	}
}
