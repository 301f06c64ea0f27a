package terminal

// Place is where a terminal listens.
type Place struct {
	Address string `json:"address"` // HOST:PORT
	Network string `json:"network"` // tcp or udp
}
