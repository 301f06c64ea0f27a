package zk

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
)

const (
	// uploadPiece is how many bytes of an upload one DATA carries.
	uploadPiece = 1024
	// uploadTries is how often an upload is begun: a DATA whose answer was lost may have
	// been taken, and cannot be sent again without being taken twice.
	uploadTries = 5
)

// WriteTemplate stores one finger of a user who must exist. What stands under its number
// should be deleted first: not every terminal overwrites.
func (c *Conn) WriteTemplate(ctx context.Context, t Template) error {
	return wrap(c.do(ctx, func(ctx context.Context) error {
		if len(t.Data) == 0 || len(t.Data) > 0xFFFF {
			return fmt.Errorf("template of %d bytes: %w", len(t.Data), ErrTooLong)
		}
		body := append(fingerOf(t.UID, t.Finger), t.Flag)
		body = binary.LittleEndian.AppendUint16(body, uint16(len(t.Data)))
		return c.upload(ctx, t.Data, CmdTempWrite, body)
	}), "write finger %d of slot %d", t.Finger, t.UID)
}

// Save stores users with their fingers in one go. Terminals take all of it or nothing.
// Not all know this; then it is a Refusal, and nothing was stored.
func (c *Conn) Save(ctx context.Context, u Upload) error {
	return wrap(c.do(ctx, func(ctx context.Context) error {
		data, err := u.Append(nil)
		if err != nil {
			return err
		}
		// The length of its head, 0, the length of an entry of its table.
		return c.upload(ctx, data, CmdSaveUserTemps, []byte{uploadHead, 0, 0, 0, 0, 0, uploadEntry, 0})
	}), "write %d users with %d fingers", len(u.Users), len(u.Templates))
}

// upload brings data to the terminal and lets command take them. Whatever comes of it,
// the terminal is told to forget them.
func (c *Conn) upload(ctx context.Context, data []byte, command Code, body []byte) error {
	if c.open {
		return ErrBusy
	}
	c.open = true
	defer c.free(ctx)
	for try := 1; ; try++ {
		err := c.bring(ctx, data)
		if err == nil {
			err = c.take(ctx, command, body)
		}
		if err == nil || try == uploadTries || !c.bringAgain(err, try) {
			return err
		}
	}
}

// bringAgain tells whether an upload that failed is to be begun anew. A line that loses
// and doubles packets can spoil it without anybody's fault, which shows as a refusal.
func (c *Conn) bringAgain(err error, try int) bool {
	refusal := (*Refusal)(nil)
	switch {
	case errors.Is(err, ErrUnknownOutcome):
		return false
	case errors.Is(err, ErrChecksum):
		return true
	case errors.As(err, &refusal):
		return c.line.lossy() && refusal.Code == AckError && try == 1
	}
	return errors.Is(err, ErrSilent) && c.line.lossy()
}

// take lets a command use what was brought.
func (c *Conn) take(ctx context.Context, command Code, body []byte) error {
	if command == CmdTempWrite {
		// Every client asks for the checksum before this command, and none knows how it is
		// reckoned: what the terminal answers does not matter.
		var refusal *Refusal
		if err := c.command(ctx, CmdChecksumBuffer, nil); err != nil && !errors.As(err, &refusal) {
			return err
		}
	}
	return c.change(ctx, command, body)
}

// bring announces data and sends them piece by piece.
func (c *Conn) bring(ctx context.Context, data []byte) error {
	if err := c.command(ctx, PrepareData, binary.LittleEndian.AppendUint32(nil, uint32(len(data)))); err != nil {
		return err
	}
	for off := 0; off < len(data); off += uploadPiece {
		piece := data[off:min(off+uploadPiece, len(data))]
		p, err := c.askOnce(ctx, Data, piece)
		if err == nil && p.Code != AckOK {
			err = &Refusal{Data, p.Code}
		}
		if err != nil {
			return fmt.Errorf("%d bytes at %d of %d: %w", len(piece), off, len(data), err)
		}
	}
	return nil
}
