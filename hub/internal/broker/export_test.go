package broker

// FailStorage makes the engine give up its storage, as it does on a full disk.
func (b *Broker) FailStorage() error { return b.engine.ShutdownJetStream() }
