package sidik_test

import (
	"path/filepath"
	"slices"
	"testing"

	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/mqtt/mqtttest"
)

// TestARosterThatTheBrokerDropsArrives lets a broker take a roster, acknowledge it and
// drop it, while every line stands: the hub hears that the site goes on without it.
func TestARosterThatTheBrokerDropsArrives(t *testing.T) {
	w := newWorld(t, nil)
	w.startHub()
	op := operator{w, filepath.Join(build(t), "sidik-hub")}
	far := mqtttest.StartMosquitto(t)
	c := startCourier(t, 1, w.brokers(), far.URLs())
	samsat := w.keptOffice(op, "samsat-belitung", "samsat")
	samsat.config.Hub.Broker = far.URLs()[0]
	op.says("terminal", "mode", "add", "--serial", samsat.terminal.Serial())
	samsat.start()
	ani, budi := op.newcomer("Ani Demo", "199001012015012902"), op.newcomer("Budi Demo", "199101012015011903")
	place := func(pin string) {
		t.Helper()
		op.says("place", pin, "--unit", "samsat", "--from", "2026-01-01", "--sk", "800/1/2026")
	}
	arrives := func(pin string) {
		t.Helper()
		eventually(t, func() bool { return slices.Contains(samsat.pins(), pin) }, func() string { return "the terminal does not get " + pin })
	}
	place(ani)
	arrives(ani)

	c.mu.Lock()
	c.loses = map[protocol.Kind]int{protocol.KindRoster: 1}
	c.mu.Unlock()
	place(budi)
	arrives(budi)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.loses[protocol.KindRoster] != 0 {
		t.Error("no roster was lost")
	}
}
