package zkdriver_test

import (
	"bytes"
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/bkpsdmd-babel/sidik/agent/internal/terminal"
	"github.com/bkpsdmd-babel/sidik/agent/internal/terminal/zkdriver"
	"github.com/bkpsdmd-babel/sidik/protocol/zk"
	"github.com/bkpsdmd-babel/sidik/protocol/zk/zktest"
)

// BenchmarkFullTerminal fills a terminal with 3 000 users of three fingers each and reads
// all of it: what is measured is ours, the simulated terminal takes no time to think.
func BenchmarkFullTerminal(b *testing.B) {
	const people = 3000
	for _, family := range []string{"tft-new", "bw-zem560"} {
		profile, err := zktest.ProfileByName(family)
		if err != nil {
			b.Fatal(err)
		}
		profile.UserCap, profile.TemplateCap = 2*people, 3*people
		var puts []terminal.Put
		for i := range people {
			put := terminal.Put{Slot: uint16(100 + i), New: true, PIN: fmt.Sprint(100001 + i), Name: []byte("Contoh")}
			for f := range uint8(3) {
				put.Fingers = append(put.Fingers, terminal.PutFinger{Number: f, Template: bytes.Repeat([]byte{byte(i), f, byte(i >> 8)}, 400)})
			}
			puts = append(puts, put)
		}
		b.Run(family, func(b *testing.B) {
			for b.Loop() {
				s := newStand(b, "tcp", zktest.Config{Profile: profile}, zkdriver.Config{Timeout: 5 * time.Second})
				began := time.Now()
				err := zkdriver.New(s.config).Hold(b.Context(), func(ctx context.Context, session terminal.Session) error {
					if _, err := session.Inventory(ctx); err != nil {
						return err
					}
					if err := session.Put(ctx, puts...); err != nil {
						return err
					}
					b.ReportMetric(time.Since(began).Seconds(), "s/write")
					began = time.Now()
					inv, err := session.Inventory(ctx)
					b.ReportMetric(time.Since(began).Seconds(), "s/inventory")
					if err == nil && len(inv.Users) != people+50 {
						err = fmt.Errorf("%d users", len(inv.Users))
					}
					return err
				})
				if err != nil {
					b.Fatal(err)
				}
				b.ReportMetric(float64(s.Requests(zk.Data)), "packets")
			}
		})
	}
}
