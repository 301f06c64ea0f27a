package zk

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"testing"
)

// Eight bytes in packets of four or two, told apart by their numbers.
func TestBulkAnswers(t *testing.T) {
	const reply = 3
	packet := func(code Code, session uint16, body string) Packet {
		return Packet{Code: code, Session: session, Reply: reply, Body: []byte(body)}
	}
	prepare := packet(PrepareData, 9, string(binary.LittleEndian.AppendUint32(nil, 8))+"\x04\x00\x00\x00")
	data := func(number uint16, body string) Packet { return packet(Data, number, body) }
	end := packet(AckOK, 8, "")
	tests := []struct {
		name     string
		packets  []Packet
		tcp, udp error
	}{
		{"counted", []Packet{prepare, data(0, "abcd"), data(1, "efgh"), end}, nil, nil},
		{"in one DATA", []Packet{data(9, "abcdefgh")}, nil, nil},
		{"no ACK_OK at the end", []Packet{prepare, data(0, "abcd"), data(1, "efgh")}, nil, nil},
		{"one number for all", []Packet{prepare, data(7, "abcd"), data(7, "efgh"), end}, nil, ErrGarbled},
		{"announced twice", []Packet{prepare, prepare, data(0, "abcd"), data(1, "efgh"), end}, nil, nil},
		{"a packet doubled", []Packet{prepare, data(0, "abcd"), data(0, "abcd"), data(1, "efgh"), end}, nil, nil},
		{"the last packet doubled", []Packet{prepare, data(0, "abcd"), data(1, "efgh"), data(1, "efgh"), end}, nil, nil},
		{"the first packet lost", []Packet{prepare, data(1, "efgh"), data(2, "ijkl"), end}, ErrGarbled, ErrGarbled},
		{"a packet lost", []Packet{prepare, data(0, "ab"), data(2, "ef"), data(3, "gh"), end}, ErrGarbled, ErrGarbled},
		{"two packets swapped", []Packet{prepare, data(1, "efgh"), data(0, "abcd"), end}, ErrGarbled, ErrGarbled},
		{"more than announced", []Packet{prepare, data(0, "abcd"), data(1, "efgh"), data(2, "ijkl"), end}, ErrGarbled, ErrGarbled},
		{"a packet too long", []Packet{prepare, data(0, "abcd"), data(1, "efghi"), end}, ErrGarbled, ErrGarbled},
		{"ended early", []Packet{prepare, data(0, "abcd"), end}, ErrGarbled, ErrGarbled},
		{"silent after a part", []Packet{prepare, data(0, "abcd")}, ErrSilent, ErrSilent},
		{"an empty packet", []Packet{prepare, data(0, ""), data(1, "abcdefgh"), end}, ErrGarbled, ErrGarbled},
		{"announced otherwise in the midst", []Packet{prepare, data(0, "abcd"), packet(PrepareData, 9, "\x09\x00\x00\x00"), end}, ErrGarbled, ErrGarbled},
		{"other length announced", []Packet{packet(PrepareData, 9, "\x09\x00\x00\x00"), data(0, "abcdefghi"), end}, ErrGarbled, ErrGarbled},
		{"length cut", []Packet{packet(PrepareData, 9, "\x08\x00"), data(0, "abcdefgh"), end}, ErrGarbled, ErrGarbled},
		{"one DATA of another length", []Packet{data(9, "abcdefg")}, ErrGarbled, ErrGarbled},
	}
	for _, test := range tests {
		for network, want := range map[string]error{"tcp": test.tcp, "udp": test.udp} {
			t.Run(test.name+" by "+network, func(t *testing.T) {
				var answers [][]byte
				for _, p := range test.packets {
					answers = append(answers, AppendFrame(nil, p))
				}
				// One write, so that what is not waited for does not block the terminal.
				c := replay(t, exchange{code: ReadBuffer, reply: reply, answers: [][]byte{bytes.Join(answers, nil)}})
				if network == "udp" {
					c.line = lossyCarrier{c.line}
				}
				c.reply = reply
				dst := append(make([]byte, 0, 64), "before "...)
				err := c.do(t.Context(), func(ctx context.Context) error {
					first, err := c.askOnce(ctx, ReadBuffer, nil)
					if err != nil {
						return err
					}
					dst, err = c.gather(ctx, ReadBuffer, first, dst, 8)
					return err
				})
				wantBytes := "before abcdefgh"
				if want != nil {
					wantBytes = "before "
				}
				if !errors.Is(err, want) || string(dst) != wantBytes {
					t.Errorf("gather = %q, %v, want %q, %v", dst, err, wantBytes, want)
				}
			})
		}
	}
	t.Run("a refusal in the midst", func(t *testing.T) {
		c := replay(t, exchange{code: ReadBuffer, reply: reply, answers: [][]byte{append(AppendFrame(nil, prepare), AppendFrame(nil, packet(AckError, 9, ""))...)}})
		c.reply = reply
		err := c.do(t.Context(), func(ctx context.Context) error {
			first, err := c.askOnce(ctx, ReadBuffer, nil)
			if err == nil {
				_, err = c.gather(ctx, ReadBuffer, first, nil, 8)
			}
			return err
		})
		if refusal := (*Refusal)(nil); !errors.As(err, &refusal) || *refusal != (Refusal{ReadBuffer, AckError}) {
			t.Errorf("gather: %v, want a Refusal with ACK_ERROR", err)
		}
	})
}

// lossyCarrier treats a stream as if packets could be lost on it.
type lossyCarrier struct{ carrier }

func (lossyCarrier) lossy() bool { return true }
