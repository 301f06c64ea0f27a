package zk

import "context"

// AskSerial asks whoever is at an address for a serial number, and leaves. Nothing else
// is asked, and unlike Dial it enables nothing: the terminal may be somebody else's, who
// is just writing to it. Errors are those of Dial and Option.
func AskSerial(ctx context.Context, options Options) (string, error) {
	c, err := open(ctx, options, (*Conn).enter)
	if err != nil {
		return "", wrap(err, "connect to terminal at %s", options.Address)
	}
	serial, err := c.Option(ctx, "~SerialNumber")
	_ = c.Close() // a terminal that has answered may hang up first
	return serial, err
}
