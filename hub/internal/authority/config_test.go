package authority

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestCertificatesAreRenewedAtTwoThirdsOfTheirLife(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		a, _, err := LoadOrCreate(dir, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		server, self := a.ServerConfig(nil, 0), a.SelfConfig()
		number := func() [2]string {
			listener, err := server.GetCertificate(nil)
			if err != nil {
				t.Fatal(err)
			}
			client, err := self.GetClientCertificate(nil)
			if err != nil {
				t.Fatal(err)
			}
			return [2]string{listener.Leaf.SerialNumber.String(), client.Leaf.SerialNumber.String()}
		}
		first := number()
		time.Sleep(20*24*time.Hour - time.Second)
		if number() != first {
			t.Error("renewed before two thirds of 30 days")
		}
		time.Sleep(time.Second)
		if again := number(); again[0] == first[0] || again[1] == first[1] {
			t.Error("not renewed at two thirds of 30 days")
		}
	})
}
