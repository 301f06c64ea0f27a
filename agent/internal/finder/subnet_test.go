package finder

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"testing"
)

func TestChoose(t *testing.T) {
	const up = net.FlagUp | net.FlagBroadcast
	on := func(flags net.Flags, addresses ...string) card {
		c := card{flags: flags}
		for _, a := range addresses {
			c.addresses = append(c.addresses, netip.MustParsePrefix(a))
		}
		return c
	}
	for _, c := range []struct {
		name  string
		cards []card
		want  []string
	}{
		{"an office is looked through whole", []card{on(up, "192.168.1.20/24")}, []string{"192.168.1.0/24"}},
		{"so is one of a thousand addresses", []card{on(up, "10.4.9.20/22")}, []string{"10.4.8.0/22"}},
		{"of a larger one the part around us", []card{on(up, "10.4.9.20/16")}, []string{"10.4.9.0/24"}},
		{"cable and radio are two offices", []card{on(up, "192.168.1.20/24"), on(up, "172.16.0.9/25")}, []string{"192.168.1.0/24", "172.16.0.0/25"}},
		{"two addresses in one subnet are one", []card{on(up, "192.168.1.20/24", "192.168.1.21/24"), on(up, "192.168.1.30/24")}, []string{"192.168.1.0/24"}},
		{"a part of what is looked through already is passed over", []card{on(up, "192.168.1.20/24", "192.168.1.200/26")}, []string{"192.168.1.0/24"}},
		{"nobody else's network", []card{on(up, "36.90.1.2/24")}, nil},
		{"not ourselves", []card{on(up|net.FlagLoopback, "127.0.0.1/8", "192.168.9.1/24")}, nil},
		{"not through a tunnel", []card{on(up|net.FlagPointToPoint, "10.8.0.2/24")}, nil},
		{"not where the cable is out", []card{on(net.FlagBroadcast, "192.168.1.20/24")}, nil},
		{"no address of its own kind, no single one", []card{on(up, "fd00::5/64", "192.168.5.5/32", "169.254.3.4/16")}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got []string
			for _, s := range choose(c.cards) {
				got = append(got, s.String())
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("choose = %v, want %v", got, c.want)
			}
		})
	}
}

func TestHosts(t *testing.T) {
	for _, c := range []struct {
		subnets, own []string
		count        int
		first, last  string
	}{
		{[]string{"192.168.1.0/24"}, nil, 254, "192.168.1.1", "192.168.1.254"},
		{[]string{"192.168.1.0/24"}, []string{"192.168.1.1", "10.0.0.1"}, 253, "192.168.1.2", "192.168.1.254"},
		{[]string{"192.168.1.0/24", "192.168.1.128/25"}, nil, 254, "192.168.1.1", "192.168.1.254"},
		{[]string{"192.168.1.7/32"}, nil, 1, "192.168.1.7", "192.168.1.7"},
		{[]string{"192.168.1.6/31"}, nil, 2, "192.168.1.6", "192.168.1.7"},
		{[]string{"255.255.255.252/30"}, nil, 2, "255.255.255.253", "255.255.255.254"},
		{[]string{"10.0.0.0/22", "10.0.4.0/22", "10.0.8.0/22"}, nil, most, "10.0.0.1", ""},
	} {
		t.Run(fmt.Sprint(c.subnets, " without ", c.own), func(t *testing.T) {
			var subnets []netip.Prefix
			for _, s := range c.subnets {
				subnets = append(subnets, netip.MustParsePrefix(s))
			}
			var own []netip.Addr
			for _, a := range c.own {
				own = append(own, netip.MustParseAddr(a))
			}
			list := hosts(subnets, own)
			if len(list) != c.count || list[0].String() != c.first || c.last != "" && list[len(list)-1].String() != c.last {
				t.Errorf("%d hosts from %s to %s, want %d from %s to %s", len(list), list[0], list[len(list)-1], c.count, c.first, c.last)
			}
		})
	}
}
