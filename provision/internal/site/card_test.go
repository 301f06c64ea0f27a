package site_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/provision/internal/hubapi"
)

// A kit on a card is one command. What the card cannot take is told before the hub is
// asked for a code, which would end the former one, and before anybody is shut out.
func TestAKitOnACard(t *testing.T) {
	h := newHub(t)
	h.sites["koba"] = &hubapi.Site{Site: "koba", Standing: hubapi.Admitted, Terminals: []protocol.Serial{"X1"}}
	card, empty, other := t.TempDir(), t.TempDir(), t.TempDir()
	deb := filepath.Join(t.TempDir(), "sidik-agent_1.0.0_armhf.deb")
	for file, text := range map[string]string{
		filepath.Join(card, "cmdline.txt"): "root=PARTUUID=4e639091-02 quiet\n", filepath.Join(card, "config.txt"): "# /boot/firmware/overlays/README\n",
		filepath.Join(other, "cmdline.txt"): "quiet systemd.run=/boot/firstrun.sh\n", filepath.Join(other, "config.txt"): "# /boot/firmware/overlays/README\n",
		deb: "a package", filepath.Join(empty, "kantor.csv"): "site,terminal\nkoba,X1\n",
	} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write := []string{"kit", "write", "koba", "--package", deb, "--boot"}
	replace := []string{"site", "replace", "koba", "--reason", "dicuri", "--package", deb, "--boot"}
	for _, test := range []struct {
		args []string
		says string
	}{
		{append(write, empty), "Tulis Raspberry Pi OS ke kartu"},
		{append(write, other), "Nyalakan dulu Raspberry Pi dengan kartu itu"},
		{append(replace, other), "Nyalakan dulu Raspberry Pi dengan kartu itu"},
		{append(write, card, "--boot-at", "/mnt"), "--boot-at"},
		{[]string{"kit", "write", "koba", "--boot", card}, "sertakan paketnya dengan --package"},
		{[]string{"site", "replace", "koba", "--reason", "dicuri", "--boot", card}, "sertakan paketnya dengan --package"},
		{[]string{"kit", "write", "--csv", filepath.Join(empty, "kantor.csv"), "--boot", card}, "Satu kartu untuk satu lokasi"},
	} {
		h.asked = nil
		if said, err := h.runs(test.args...); err == nil || !strings.Contains(err.Error(), test.says) || len(h.asked) != 0 {
			t.Errorf("%s: %v, it asks %q\n%s", strings.Join(test.args, " "), err, h.asked, said)
		}
	}
	if said := h.asks([]string{"claim koba"}, append(write, card)...); !strings.Contains(said, "/boot/firmware/sidik") {
		t.Errorf("it says %s", said)
	}
	h.asks([]string{"revoke koba", "claim koba"}, append(replace, card)...)
	if line, err := os.ReadFile(filepath.Join(card, "cmdline.txt")); err != nil || !strings.Contains(string(line), " systemd.run=/boot/firmware/sidik/boot.sh ") {
		t.Errorf("the card asks for %s, %v", line, err)
	}
}
