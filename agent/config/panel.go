package config

import (
	"fmt"
	"regexp"
)

// Panel names the pins of lights and button, such as "GPIO17". Left out: none is wired.
// Lights and buzzer are on when their pin is high; the button pulls its pin to ground.
type Panel struct {
	Ready   string `toml:"ready"`   // green, or the only light
	Trouble string `toml:"trouble"` // red
	Button  string `toml:"button"`
	Buzzer  string `toml:"buzzer"`
}

// pinName is a name of one pin; whether the machine has it is seen at the start.
var pinName = regexp.MustCompile(`^[A-Za-z0-9_]{1,24}$`)

func (p Panel) check() (wrong []error) {
	seen := map[string]string{}
	for _, pin := range []struct{ key, name string }{{"ready", p.Ready}, {"trouble", p.Trouble}, {"button", p.Button}, {"buzzer", p.Buzzer}} {
		if pin.name == "" {
			continue
		}
		if !pinName.MatchString(pin.name) {
			wrong = append(wrong, fmt.Errorf("panel.%s: %q is no pin: write it like GPIO17", pin.key, pin.name))
		}
		if other := seen[pin.name]; other != "" {
			wrong = append(wrong, fmt.Errorf("panel.%s: %s is already panel.%s: each needs a pin of its own", pin.key, pin.name, other))
		}
		seen[pin.name] = pin.key
	}
	return wrong
}
