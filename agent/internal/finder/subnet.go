package finder

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
)

// How much of a network is looked through.
const (
	largest = 22   // bits of the largest subnet that is looked through whole: 1 022 addresses
	around  = 24   // of a larger one, the part around our own address
	most    = 2046 // addresses in one look
)

// card is one network interface of this machine.
type card struct {
	flags     net.Flags
	addresses []netip.Prefix // with the length of the subnet
}

// local reads the interfaces of this machine: the subnets to look in, and our own
// addresses, which are not asked.
func local() (subnets []netip.Prefix, own []netip.Addr, err error) {
	interfaces, err := net.Interfaces()
	if err != nil {
		return nil, nil, fmt.Errorf("list network interfaces: %w", err)
	}
	var cards []card
	for _, i := range interfaces {
		addresses, err := i.Addrs()
		if err != nil {
			continue // it went away
		}
		c := card{flags: i.Flags}
		for _, a := range addresses {
			if p, err := netip.ParsePrefix(a.String()); err == nil {
				c.addresses = append(c.addresses, p)
				own = append(own, p.Addr())
			}
		}
		cards = append(cards, c)
	}
	return choose(cards), own, nil
}

// choose says where terminals can be: in the private subnets of interfaces that are up
// and lead to an office, so not to ourselves, and not through a line to somewhere else.
func choose(cards []card) (subnets []netip.Prefix) {
	const leads, up = net.FlagLoopback | net.FlagPointToPoint, net.FlagUp
	for _, c := range cards {
		if c.flags&up == 0 || c.flags&leads != 0 {
			continue
		}
		for _, a := range c.addresses {
			if !a.Addr().Is4() || !a.Addr().IsPrivate() || a.Bits() > 30 {
				continue
			}
			bits := a.Bits()
			if bits < largest {
				bits = around
			}
			subnet := netip.PrefixFrom(a.Addr(), bits).Masked()
			if !slices.ContainsFunc(subnets, func(other netip.Prefix) bool { return other.Overlaps(subnet) && other.Bits() <= bits }) {
				subnets = append(subnets, subnet)
			}
		}
	}
	return subnets
}

// hosts lists the addresses of subnets that somebody can have: each once, without our
// own, without those of a subnet itself and of all its hosts, and not too many.
func hosts(subnets []netip.Prefix, own []netip.Addr) (list []netip.Addr) {
	seen := map[netip.Addr]bool{}
	for _, a := range own {
		seen[a] = true
	}
	for _, subnet := range subnets {
		first := subnet.Masked().Addr()
		for a := first; subnet.Contains(a) && len(list) < most; a = a.Next() {
			last := !subnet.Contains(a.Next())
			if seen[a] || subnet.Bits() < 31 && (a == first || last) {
				continue
			}
			seen[a] = true
			list = append(list, a)
		}
	}
	return list
}
