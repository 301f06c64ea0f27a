package zktest

import (
	"encoding/binary"
	"slices"
	"time"

	"github.com/bkpsdmd-babel/sidik/protocol/zk"
)

// arrives counts a request and does the faults that come before its answer: whether there
// will be one, and after how long.
func (l *link) arrives(command zk.Code, intact bool) (answers bool, late time.Duration) {
	t := l.t
	t.count(command, intact)
	t.mu.Lock()
	defer t.mu.Unlock()
	_, lost := t.fire(LostRequest, command)
	if f, ok := t.fire(Freeze, command); ok {
		t.freeze(f)
	}
	if f, ok := t.fire(Reboot, command); ok {
		t.reboot(f.For)
	}
	if _, ok := t.fire(HangUp, command); ok {
		lost = true
		l.drop()
	}
	if f, ok := t.fire(Late, command); ok {
		late = f.For
	}
	now := time.Now()
	ignored := !intact && t.cfg.DropBadChecksum
	return !lost && !ignored && !now.Before(t.frozen) && !now.Before(t.down), late
}

// disturb gives the packets that are sent in place of an answer. The caller holds l.out.
func (l *link) disturb(command zk.Code, answer []zk.Packet) []zk.Packet {
	t := l.t
	if _, ok := t.struck(LostReply, command); ok {
		return nil
	}
	list := slices.Clone(answer)
	first := slices.IndexFunc(list, isData)
	if first >= 0 && first+1 < len(list) && isData(list[first+1]) {
		if _, ok := t.struck(Reordered, command); ok {
			list[first], list[first+1] = list[first+1], list[first]
		}
	}
	if first >= 0 {
		if _, ok := t.struck(EventInside, command); ok {
			list = slices.Insert(list, 1, zk.Packet{Code: zk.RegEvent, Session: uint16(zk.EventFinger)})
		}
	}
	list = slices.DeleteFunc(list, func(p zk.Packet) bool {
		if !isData(p) {
			return false
		}
		_, lost := t.struck(LostPacket, command)
		return lost
	})
	if _, ok := t.struck(Duplicate, command); ok {
		list = append(list, list...)
	}
	if l.previous != nil {
		if _, ok := t.struck(Stale, command); ok {
			list = slices.Concat(l.previous, list)
		}
	}
	return list
}

func isData(p zk.Packet) bool { return p.Code == zk.Data }

// spoilHead does the faults that are in the head of an answer's first packet.
func (l *link) spoilHead(command zk.Code, wire []byte) {
	packet := wire
	if l.tcp {
		packet = wire[zk.PrefixSize:]
		if _, ok := l.t.struck(BadMagic, command); ok {
			copy(wire, "HTTP")
		}
		if _, ok := l.t.struck(HugeFrame, command); ok {
			binary.LittleEndian.PutUint32(wire[4:], 0xFFFFFFF0)
		}
	}
	if _, ok := l.t.struck(WrongChecksum, command); ok {
		binary.LittleEndian.PutUint16(packet[2:], binary.LittleEndian.Uint16(packet[2:])-1)
	}
}

// spoilData does the faults of a DATA packet: how much of it is sent, and whether that is
// the end of the link.
func (l *link) spoilData(command zk.Code, wire []byte) (keep int, end bool) {
	head := zk.HeaderSize
	if l.tcp {
		head += zk.PrefixSize
	}
	if _, ok := l.t.struck(Garbled, command); ok {
		for i := head; i < len(wire); i += 97 {
			wire[i] ^= 0x5A
		}
	}
	if _, ok := l.t.struck(CutOff, command); ok {
		return len(wire) / 2, true
	}
	return len(wire), false
}
