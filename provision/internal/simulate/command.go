// Package simulate runs invented parts of the world as programs, so that the rest can be
// tried without any. It knows zktest, the simulated terminal, and nothing of agent or hub.
//
// Beware: a simulated terminal has no secrets and no lock; it is for loopback and test networks.
package simulate

import (
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/bkpsdmd-babel/sidik/protocol/zk/zktest"
)

// Command is "simulate" with its kinds of things.
func Command() *cobra.Command {
	c := &cobra.Command{
		Use:   "simulate",
		Short: "Tiruan untuk uji coba / simulated things to try with",
	}
	c.AddCommand(terminalCommand(), officeCommand())
	return c
}

func officeCommand() *cobra.Command {
	var o Office
	c := &cobra.Command{
		Use:   "office",
		Short: "Hub dan beberapa kantor tiruan / a hub and some simulated offices",
		Long: `Menjalankan hub dengan data pegawai tiruan, dan tiga kantor dengan agen dan mesin tiruan.
Runs a hub with an invented register, and three offices with agents and simulated terminals, by
the same steps that an operator takes. A second run in the same folder goes on where the first ended.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return o.Run(c.Context(), c.OutOrStdout()) },
	}
	f := c.Flags()
	f.StringVar(&o.Dir, "dir", ".run", "folder in which everything is kept")
	f.StringVar(&o.Programs, "programs", "", "folder of sidik-hub and sidik-agent (default: beside this program)")
	f.DurationVar(&o.PunchEvery, "punch-every", 2*time.Second, "let somebody punch this often")
	f.StringVar(&o.Pages, "pages", "127.0.0.1:0", "address of the hub's pages; port 0 takes a free one")
	return c
}

func terminalCommand() *cobra.Command {
	var o Options
	c := &cobra.Command{
		Use:   "terminal",
		Short: "Mesin absensi tiruan / a simulated fingerprint terminal",
		Long: `Mesin absensi tiruan pada port TCP (dan UDP). Bila siap, satu baris JSON dicetak:
A simulated fingerprint terminal on a TCP (and UDP) port. When it is ready it prints one line:
  {"listening":"127.0.0.1:PORT","serial":"S"}
Berhenti dengan Ctrl-C. It runs until it is interrupted.

Profil / profiles: ` + strings.Join(profileNames(), ", ") + `
Gangguan / faults: ` + strings.Join(faultNames(), ", ") + `
A fault can say more: NAME,after=N,times=N|always,for=2s,n=N,command=CODE`,
		Example: `  sidik-provision simulate terminal --listen 127.0.0.1:4370 --udp --users 50 --punches 1000 --punch-every 2s
  sidik-provision simulate terminal --record-size 49 --fault cut-off,after=2`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return Terminal(c.Context(), c.OutOrStdout(), o)
		},
	}
	f := c.Flags()
	f.StringVar(&o.Listen, "listen", "127.0.0.1:0", "address and port; port 0 takes a free one")
	f.BoolVar(&o.UDP, "udp", false, "serve UDP too, on the same port number")
	f.StringVar(&o.Profile, "profile", "", "family of terminals (default: one that fits --record-size)")
	f.StringVar(&o.Serial, "serial", "", "serial number (default SIM0000001)")
	f.IntVar(&o.Users, "users", 20, "invented users, PIN 1001 and up")
	f.IntVar(&o.Punches, "punches", 0, "invented punches, up to yesterday")
	f.IntVar(&o.Templates, "templates", 0, "invented fingerprint templates")
	f.IntVar(&o.RecordSize, "record-size", 0, "bytes of one stored punch: 8, 16, 40 or 49 (default: the profile's)")
	f.Uint32Var(&o.CommKey, "comm-key", 0, "communication key; 0 is none")
	f.DurationVar(&o.PunchEvery, "punch-every", 0, "let somebody punch this often; 0 is never")
	f.DurationVar(&o.FingerEvery, "finger-every", 0, "whoever is asked for a finger puts it on this often; 0 is three times at once")
	f.StringArrayVar(&o.Faults, "fault", nil, "let it fail; may be given several times")
	f.StringVar(&o.State, "state", "", "file that keeps users and punches; where it exists, the terminal goes on from it")
	f.DurationVar(&o.Gap, "gap", 2*time.Millisecond, "pause between two frames, for clients that read one at a time; 0 is full speed")
	f.IntVar(&o.PacketSize, "packet-size", 0, "body bytes of a DATA packet as announced (default: the profile's)")
	f.IntVar(&o.Fragment, "fragment", 0, "cut each frame into writes of so many bytes")
	f.BoolVar(&o.Coalesce, "coalesce", false, "send all frames of an answer in one write")
	return c
}

func profileNames() (names []string) {
	for _, p := range zktest.Profiles() {
		names = append(names, p.Name)
	}
	return names
}

func faultNames() (names []string) {
	for _, k := range zktest.FaultKinds() {
		names = append(names, string(k))
	}
	return names
}
