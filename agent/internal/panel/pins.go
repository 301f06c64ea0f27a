package panel

import (
	"periph.io/x/conn/v3/gpio"
)

// Names are the pins of a panel as the configuration has them, such as GPIO17. Each may
// be empty: not wired.
type Names struct {
	Ready, Trouble, Button, Buzzer string
}

// Pins are a panel's pins; nil is what is not wired or not there. Lamps and buzzer are on
// when the pin is high; the button pulls its pin to ground.
type Pins struct {
	Ready, Trouble gpio.PinOut
	Button         gpio.PinIn
	Buzzer         gpio.PinOut
}

// Find looks the pins up by name. Which names were found and which were not is told; that
// a machine has no such pin is no error, because a panel is never what an agent is for.
func Find(names Names, byName func(string) gpio.PinIO) (pins Pins, found, missing []string) {
	take := func(name string, wire func(gpio.PinIO)) {
		if name == "" {
			return
		}
		pin := byName(name)
		if pin == nil {
			missing = append(missing, name)
			return
		}
		found = append(found, name)
		wire(pin)
	}
	take(names.Ready, func(p gpio.PinIO) { pins.Ready = p })
	take(names.Trouble, func(p gpio.PinIO) { pins.Trouble = p })
	take(names.Button, func(p gpio.PinIO) { pins.Button = p })
	take(names.Buzzer, func(p gpio.PinIO) { pins.Buzzer = p })
	return pins, found, missing
}

// out is a lamp or the buzzer: it writes only what changes.
type out struct {
	pin gpio.PinOut
	on  bool
	err error // of the first write that the pin refused; then it is left alone
}

// newOut switches a pin off, which also makes it an output.
func newOut(pin gpio.PinOut) *out {
	o := &out{pin: pin}
	if pin != nil {
		o.err = pin.Out(gpio.Low)
	}
	return o
}

func (o *out) set(on bool) {
	if o.pin == nil || o.err != nil || on == o.on {
		return
	}
	o.on = on
	o.err = o.pin.Out(gpio.Level(on))
}

// end leaves the pin off.
func (o *out) end() error {
	if o.pin == nil {
		return nil
	}
	o.set(false)
	return o.pin.Halt()
}
