package sidik_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"

	"github.com/bkpsdmd-babel/sidik/agent"
	"github.com/bkpsdmd-babel/sidik/hub"
)

// damaged is what hub and agent say of each of their key files when half of it is gone.
func (w *world) damaged(o *office) map[string]string {
	t := w.t
	t.Helper()
	said := map[string]string{}
	for who, folder := range map[string]string{"hub": w.hubData(), "agent": o.config.Data} {
		names, err := filepath.Glob(filepath.Join(folder, "*.key"))
		if err != nil || len(names) < 2 {
			t.Fatalf("key files of the %s: %q, %v", who, names, err)
		}
		for _, name := range append(names, filepath.Join(folder, "pass.json")) {
			whole, err := os.ReadFile(name)
			if os.IsNotExist(err) {
				continue
			}
			if err == nil {
				err = os.WriteFile(name, whole[:len(whole)/2], 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
			if who == "hub" {
				w.ends(said, name)
			} else if a, err := agent.Open(t.Context(), agent.Options{Config: o.config, Logger: w.logger("damaged")}); err != nil {
				said["error of "+name] = err.Error()
			} else if err := a.Close(); err != nil { // it set the file aside
				t.Fatal(err)
			}
			if err := os.WriteFile(name, whole, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	aside, err := filepath.Glob(filepath.Join(w.dir, "*", "*.damaged"))
	if err != nil || slices.ContainsFunc(aside, func(name string) bool { return os.Remove(name) != nil }) {
		t.Fatalf("%q: %v", aside, err)
	}
	return said
}

// ends runs a hub that cannot run.
func (w *world) ends(said map[string]string, name string) {
	w.t.Helper()
	ctx, stop := context.WithTimeout(w.t.Context(), patience)
	defer stop()
	err := hub.Run(ctx, hub.Config{Data: w.hubData(), MQTT: w.listen, Agents: w.door, Pages: "127.0.0.1:0", Logger: w.logger("damaged"), Ready: func(hub.Addresses) { stop() }})
	if err != nil {
		said["error of "+name] = err.Error()
	}
}
