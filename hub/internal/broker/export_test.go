package broker

import "time"

// FailStorage makes the engine give up its storage, as it does on a full disk.
func (b *Broker) FailStorage() error { return b.engine.ShutdownJetStream() }

// Look looks at what clients send now, beside the looks that the broker takes by itself.
func (b *Broker) Look() { b.gate.look(time.Now()) }
