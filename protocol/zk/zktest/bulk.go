package zktest

import (
	"encoding/binary"

	"github.com/bkpsdmd-babel/sidik/protocol/zk"
)

// dataset is what a 1503 prepared: a total, and rows as they were at that moment.
type dataset struct {
	total [4]byte
	rows  []byte
}

func newDataset(rows []byte) *dataset {
	d := &dataset{rows: rows}
	d.say(len(rows))
	return d
}

func (d *dataset) say(total int) { binary.LittleEndian.PutUint32(d.total[:], uint32(total)) }

func (d *dataset) size() int { return len(d.total) + len(d.rows) }

// slice is the bytes from offset; where the total is not among them they are not copied.
func (d *dataset) slice(offset, n int) []byte {
	if offset >= len(d.total) {
		return d.rows[offset-len(d.total):][:n]
	}
	head := append(make([]byte, 0, n), d.total[offset:min(offset+n, len(d.total))]...)
	return append(head, d.rows[:n-len(head)]...)
}

// Datasets by the command in the body of a 1503.
//
//	u8 1   u16 command   u32 kind   u32 0
func (t *Terminal) rowsOf(command zk.Code, kind uint32) ([]byte, bool) {
	var rows []byte
	switch command {
	case zk.CmdAttLogRead:
		return t.log.snapshot(), true
	case zk.CmdOpLogRead:
		return t.ops[:len(t.ops):len(t.ops)], true
	case zk.CmdUserTempRead:
		for _, u := range t.users {
			rows, _ = t.profile.Users.Append(rows, u) // tried when it was stored
		}
		return rows, true
	case zk.CmdDBRead:
		if kind != 2 {
			return nil, false
		}
		for _, m := range t.templates {
			rows, _ = m.Append(rows)
		}
		return rows, true
	}
	return nil, false
}

// bulk answers all that is answered with a dataset.
func (t *Terminal) bulk(l *link, p zk.Packet) []zk.Packet {
	switch p.Code {
	case zk.PrepareBuffer:
		return t.prepare(l, p)
	case zk.ReadBuffer:
		return t.readPrepared(l, p)
	case zk.CmdTempRead:
		return t.oneTemplate(l, p, 1)
	case zk.CmdUserTempRead:
		if len(p.Body) >= 3 {
			return t.oneTemplate(l, p, 0)
		}
	}
	return t.legacy(l, p)
}

// prepare answers 1503: the whole dataset, or its size.
func (t *Terminal) prepare(l *link, p zk.Packet) []zk.Packet {
	if len(p.Body) < 7 {
		return l.reply(p, zk.AckError, nil)
	}
	if _, ok := t.fire(RefuseBulk, p.Code); ok {
		return l.reply(p, zk.AckNoMemory, nil)
	}
	command, kind := zk.Code(binary.LittleEndian.Uint16(p.Body[1:])), binary.LittleEndian.Uint32(p.Body[3:])
	if command == zk.CmdAttLogRead {
		if _, ok := t.fire(LogCleared, p.Code); ok {
			t.clearLog()
		}
	}
	rows, known := t.rowsOf(command, kind)
	if !known {
		return l.reply(p, zk.AckError, nil)
	}
	d := newDataset(rows)
	if command == zk.CmdAttLogRead {
		t.distort(d, p.Code)
	}
	if n := d.size(); n <= t.cfg.Form.Direct {
		return l.reply(p, zk.Data, d.slice(0, n))
	}
	l.prepared = d
	body := make([]byte, 13)
	binary.LittleEndian.PutUint32(body[1:], uint32(d.size()))
	binary.LittleEndian.PutUint32(body[5:], uint32(d.size()))
	binary.LittleEndian.PutUint32(body[9:], 0x0023EFCD) // its meaning is not known
	return l.reply(p, zk.AckOK, body)
}

// distort does the faults of a prepared log.
func (t *Terminal) distort(d *dataset, command zk.Code) {
	if f, ok := t.fire(CutRows, command); ok {
		d.rows = d.rows[:max(len(d.rows)-f.N*t.profile.Rows.Size(), 0)]
		d.say(len(d.rows))
	}
	if f, ok := t.fire(TotalHigh, command); ok {
		d.say(len(d.rows) + f.N)
	}
	if f, ok := t.fire(TotalLow, command); ok {
		d.say(max(len(d.rows)-f.N, 0))
	}
}

// readPrepared answers 1504: i32 offset, i32 length.
func (t *Terminal) readPrepared(l *link, p zk.Packet) []zk.Packet {
	if f, ok := t.fire(LogGrows, p.Code); ok {
		for i := range f.N {
			t.passBy(i)
		}
	}
	if _, ok := t.fire(RefuseRead, p.Code); ok || len(p.Body) < 8 || l.prepared == nil {
		return l.reply(p, zk.AckError, nil)
	}
	offset, n := int(int32(binary.LittleEndian.Uint32(p.Body))), int(int32(binary.LittleEndian.Uint32(p.Body[4:])))
	if offset < 0 || n < 1 || n > l.prepared.size()-offset {
		return l.reply(p, zk.AckError, nil)
	}
	part := l.prepared.slice(offset, n)
	if t.cfg.Form.Single && n <= l.packetLimit() {
		return l.reply(p, zk.Data, part)
	}
	return t.transfer(l, p, part)
}

// passBy lets somebody punch in the middle of something else.
func (t *Terminal) passBy(i int) {
	if now, ok := zk.PackTime(t.now()); ok && len(t.users) > 0 {
		_ = t.punch(zk.Attendance{PIN: t.users[i%len(t.users)].PIN, Time: now, Verify: t.profile.Verify})
	}
}

// legacy answers the commands of before 1503: the dataset comes at once.
func (t *Terminal) legacy(l *link, p zk.Packet) []zk.Packet {
	var kind uint32
	if len(p.Body) > 0 {
		kind = uint32(p.Body[0])
	}
	rows, known := t.rowsOf(p.Code, kind)
	if !known {
		return l.reply(p, zk.AckError, nil)
	}
	if p.Code == zk.CmdAttLogRead {
		if _, ok := t.fire(LegacyGarbage, p.Code); ok {
			stale := make([]byte, len(rows))
			for i := 0; i+4 <= len(stale); i += 4 {
				binary.LittleEndian.PutUint32(stale[i:], uint32(0x12f00+i*37))
			}
			rows = stale
		}
	}
	d := newDataset(rows)
	return t.transfer(l, p, d.slice(0, d.size()))
}

// oneTemplate answers u16 slot, u8 finger; command 88 adds a byte that says valid.
func (t *Terminal) oneTemplate(l *link, p zk.Packet, extra int) []zk.Packet {
	if len(p.Body) < 3 {
		return l.reply(p, zk.AckError, nil)
	}
	i, found := t.finger(binary.LittleEndian.Uint16(p.Body), p.Body[2])
	if !found {
		return l.reply(p, zk.AckError, nil)
	}
	m := t.templates[i]
	data := append(make([]byte, 0, len(m.Data)+1), m.Data...)
	if extra > 0 {
		data = append(data, m.Flag)
	}
	return t.transfer(l, p, data)
}

// packetLimit is the largest body of a DATA packet to this client.
func (l *link) packetLimit() int {
	if l.tcp {
		return min(l.t.cfg.Form.PacketSize, MaxData)
	}
	return MaxDatagram
}

// transfer is PREPARE_DATA, DATA…, ACK_OK. The session field of a DATA packet is its number,
// that of the last acknowledgement is not the session either.
func (t *Terminal) transfer(l *link, p zk.Packet, data []byte) []zk.Packet {
	said, announced := len(data), t.cfg.Form.PacketSize
	if !l.tcp {
		announced = MaxDatagram
	}
	if f, ok := t.fire(LengthHigh, p.Code); ok {
		said += f.N
	}
	if f, ok := t.fire(LengthLow, p.Code); ok {
		said = max(said-f.N, 0)
	}
	head := binary.LittleEndian.AppendUint32(nil, uint32(said))
	head = binary.LittleEndian.AppendUint32(head, uint32(announced))
	answer := l.reply(p, zk.PrepareData, head)
	limit, number := l.packetLimit(), uint16(0)
	for rest := data; len(rest) > 0; number++ {
		n := min(limit, len(rest))
		answer = append(answer, zk.Packet{Code: zk.Data, Session: number, Reply: p.Reply, Body: rest[:n]})
		rest = rest[n:]
	}
	if _, ok := t.fire(NoFinalAck, p.Code); ok {
		return answer
	}
	return append(answer, zk.Packet{Code: zk.AckOK, Session: number, Reply: p.Reply})
}
