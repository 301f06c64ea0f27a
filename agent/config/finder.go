package config

import (
	"fmt"
	"net/netip"
)

// Finder is how terminals are found that are not where they should be, or of which no
// address is given. Left out: in the private subnets of this machine.
type Finder struct {
	Scan    *bool    `toml:"scan"`    // default true; false: only configured addresses are used
	Subnets []Subnet `toml:"subnets"` // like ["192.168.1.0/24"]
	Port    int      `toml:"port"`    // default 4370
}

// Subnet is a part of a network that can be looked through: 1 022 addresses at most.
type Subnet struct{ netip.Prefix }

const (
	largestSubnet = 22
	terminalPort  = 4370
)

// ParseSubnet reads "192.168.1.0/24", or one address.
func ParseSubnet(text string) (Subnet, error) {
	if at, err := netip.ParseAddr(text); err == nil && at.Is4() {
		return Subnet{netip.PrefixFrom(at, 32)}, nil
	}
	subnet, err := netip.ParsePrefix(text)
	if err != nil || !subnet.Addr().Is4() {
		return Subnet{}, fmt.Errorf("%q is no subnet: write it like 192.168.1.0/24", text)
	}
	if subnet.Bits() < largestSubnet {
		return Subnet{}, fmt.Errorf("%s is too large to look through: name parts of it, /%d at the largest", subnet, largestSubnet)
	}
	return Subnet{subnet.Masked()}, nil
}

// UnmarshalText reads what ParseSubnet reads.
func (s *Subnet) UnmarshalText(text []byte) (err error) {
	*s, err = ParseSubnet(string(text))
	return err
}

func (f *Finder) complete() (wrong []error) {
	if f.Scan == nil {
		scan := true
		f.Scan = &scan
	}
	if f.Port = or(f.Port, terminalPort); f.Port < 1 || f.Port > 65535 {
		wrong = append(wrong, fmt.Errorf("finder.port: %d is no port: terminals listen on 4370", f.Port))
	}
	return wrong
}
