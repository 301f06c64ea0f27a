package zktest

import (
	"bytes"
	"encoding/binary"
	"strconv"
	"time"

	"github.com/bkpsdmd-babel/sidik/protocol/zk"
)

// handle carries out a request and gives the answer's packets, and what is to be done once
// they are sent. The caller holds t.mu.
func (t *Terminal) handle(l *link, p zk.Packet) (answer []zk.Packet, then func()) {
	switch p.Code {
	case zk.CmdConnect:
		return t.connect(l, p), nil
	case zk.CmdAuth:
		l.authorised = t.commKey == 0 || zk.CheckScramble(p.Body, t.commKey, l.session)
	case zk.CmdExit:
		return l.reply(p, zk.AckOK, nil), l.drop
	}
	if !l.authorised {
		return l.reply(p, zk.AckUnauth, nil), nil
	}
	if alters(p.Code) {
		return t.alter(l, p)
	}
	switch p.Code {
	case zk.CmdAuth:
		return l.reply(p, zk.AckOK, nil), nil
	case zk.CmdRestart, zk.CmdPowerOff:
		return t.restart(l, p)
	case zk.PrepareBuffer, zk.ReadBuffer, zk.CmdAttLogRead, zk.CmdDBRead, zk.CmdTempRead, zk.CmdUserTempRead:
		return t.bulk(l, p), nil
	case zk.PrepareData, zk.Data, zk.FreeData, zk.CmdChecksumBuffer:
		return t.take(l, p), nil
	case zk.CmdStartEnroll:
		return t.enrol(l, p)
	case zk.CmdCancelCapture:
		return l.reply(p, zk.AckOK, nil), t.endEnrolment(enrolCancelled)
	case zk.RegEvent:
		l.mask = 0
		if len(p.Body) >= 4 {
			l.mask = binary.LittleEndian.Uint32(p.Body)
		}
		return l.reply(p, zk.AckOK, nil), nil
	case zk.CmdState:
		return []zk.Packet{{Code: zk.AckOK, Session: t.stateNumber(), Reply: p.Reply}}, nil
	}
	if code, body, ok := t.tell(p); ok {
		return l.reply(p, code, body), nil
	}
	return l.reply(p, t.change(p), nil), nil
}

// reply is an answer of one packet.
func (l *link) reply(to zk.Packet, code zk.Code, body []byte) []zk.Packet {
	return []zk.Packet{{Code: code, Session: l.session, Reply: to.Reply, Body: body}}
}

// connect gives a session; a second one on the same link is the same.
func (t *Terminal) connect(l *link, p zk.Packet) []zk.Packet {
	if l.session == 0 {
		if t.session++; t.session == 0 {
			t.session = 1
		}
		l.session = t.session
	}
	if t.commKey != 0 {
		l.authorised = false
		return l.reply(p, zk.AckUnauth, nil)
	}
	l.authorised = true
	return l.reply(p, zk.AckOK, nil)
}

func (t *Terminal) restart(l *link, p zk.Packet) ([]zk.Packet, func()) {
	then := func() { t.Reboot(t.cfg.Boot) }
	if p.Code == zk.CmdRestart && t.cfg.SilentRestart {
		return nil, then
	}
	return l.reply(p, zk.AckOK, nil), then
}

// stateNumber is 1 enrolling, 2 waiting for people, 4 busy.
func (t *Terminal) stateNumber() uint16 {
	if t.asked != nil {
		return 1
	}
	if t.enabled() {
		return 2
	}
	return 4
}

// tell answers what only asks; false when the command is none of these.
func (t *Terminal) tell(p zk.Packet) (zk.Code, []byte, bool) {
	switch p.Code {
	case zk.CmdOptionRead:
		name, _, _ := bytes.Cut(p.Body, []byte{0}) // some clients leave the NUL out
		value, known := t.options[string(name)]
		if !known {
			return zk.AckError, nil, true
		}
		return zk.AckOK, []byte(string(name) + "=" + value + "\x00"), true
	case zk.CmdVersion:
		return zk.AckOK, []byte(t.profile.Firmware + "\x00"), true
	case zk.CmdFreeSizes:
		return zk.AckOK, t.tellSizes(), true
	case zk.CmdPINWidth:
		return zk.AckOK, []byte{byte(t.profile.PINWidth)}, true
	case zk.CmdGetTime:
		now, ok := zk.PackTime(t.now())
		if !ok {
			return zk.AckError, nil, true
		}
		return zk.AckOK, binary.LittleEndian.AppendUint32(nil, uint32(now)), true
	case zk.CmdDoorState:
		return zk.AckOK, []byte{0}, true
	case zk.CmdVerifyRead:
		if len(p.Body) < 2 {
			return zk.AckError, nil, true
		}
		return zk.AckOK, append(bytes.Clone(p.Body[:2]), make([]byte, 22)...), true
	}
	return 0, nil, false
}

func (t *Terminal) tellSizes() []byte {
	s := t.sizes()
	if f, ok := t.fire(CountHigh, zk.CmdFreeSizes); ok {
		s.Records += f.N
	}
	if f, ok := t.fire(CountLow, zk.CmdFreeSizes); ok {
		s.Records = max(s.Records-f.N, 0)
	}
	if _, ok := t.fire(ShortSizes, zk.CmdFreeSizes); ok || t.profile.Sizes < 80 {
		return make([]byte, 4)
	}
	return s.Append(nil, t.profile.Sizes)
}

// change carries out what has no answer but a code.
func (t *Terminal) change(p zk.Packet) zk.Code {
	done := true
	switch p.Code {
	case zk.CmdOptionWrite:
		name, value, found := bytes.Cut(bytes.TrimRight(p.Body, "\x00"), []byte{'='})
		if done = found && string(name) != "~SerialNumber"; done {
			t.options[string(name)] = string(value)
		}
		if string(name) == zk.OptionCommKey {
			done = t.setCommKey(string(value))
		}
	case zk.CmdSetTime:
		if done = len(p.Body) >= 4; done {
			var wall time.Time
			if wall, done = zk.Time(binary.LittleEndian.Uint32(p.Body)).Wall(); done {
				t.setClock(wall)
			}
		}
	case zk.CmdEnable:
		t.disabled = false
	case zk.CmdDisable:
		t.disabled, t.disabledUntil = true, time.Time{}
		if len(p.Body) >= 4 {
			if s := binary.LittleEndian.Uint32(p.Body); s > 0 {
				t.disabledUntil = time.Now().Add(time.Duration(s) * time.Second)
			}
		}
	case zk.CmdClearAdmin:
		for i := range t.users {
			t.users[i].Privilege = zk.PrivilegeUser
		}
		t.touch()
	case zk.CmdClearAttLog:
		t.clearLog()
	case zk.CmdClearOpLog:
		t.ops = nil
		t.touch()
	case zk.CmdClearData:
		done = t.clearData(p.Body)
	case zk.CmdRefreshData, zk.CmdRefreshOption, zk.CmdStartVerify, zk.CmdEnableClock,
		zk.CmdUnlock, zk.CmdWriteLCD, zk.CmdClearLCD, zk.CmdTestVoice, zk.CmdVerifyWrite, zk.CmdSleep, zk.CmdResume:
	default:
		return zk.AckUnknown
	}
	if !done {
		return zk.AckError
	}
	return zk.AckOK
}

// clearData erases one kind of data, or all when none is named.
func (t *Terminal) clearData(kind []byte) bool {
	all := len(kind) == 0
	if !all && (kind[0] == 0 || kind[0] > 5) {
		return false
	}
	if all || kind[0] == 1 {
		t.log.clear()
	}
	if all || kind[0] == 2 || kind[0] == 5 {
		t.templates = nil
	}
	if all || kind[0] == 5 {
		t.users = nil
	}
	if all || kind[0] == 4 {
		t.ops = nil
	}
	t.operation(13, 0)
	t.touch()
	return true
}

// text is a NUL-padded field.
func text(field []byte) string {
	before, _, _ := bytes.Cut(field, []byte{0})
	return string(before)
}

// setCommKey changes what is asked of whoever connects from now on. The caller holds t.mu.
func (t *Terminal) setCommKey(digits string) bool {
	key, err := strconv.ParseUint(digits, 10, 32)
	if _, ignored := t.fire(Unstored, zk.CmdOptionWrite); err != nil || key > zk.MaxCommKey || ignored {
		return err == nil && key <= zk.MaxCommKey
	}
	t.commKey = uint32(key)
	return true
}

// CommKey is the communication key that is set; 0 for none.
func (t *Terminal) CommKey() uint32 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.commKey
}
