package zk

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"
)

const (
	// maxDataset is the longest data set taken: 49-byte rows of the largest log any
	// terminal advertises fit several times.
	maxDataset = 32 << 20
	// firstAllocation and firstRows are how much of an announced length is believed at
	// once.
	firstAllocation = 8 << 20
	firstRows       = 1 << 17
	// chunkRetries is how often one range is asked for again.
	chunkRetries = 3
	// freeWait is how long the terminal is given to free what it prepared.
	freeWait = 2 * time.Second
)

// prepared is a data set that the terminal holds ready, frozen as it was when asked
// for, or that it sent at once.
type prepared struct {
	c      *Conn
	set    Dataset
	size   int    // with the u32 total
	whole  []byte // all of it, when the terminal sent it at once
	legacy bool   // by the command of the old kind, which on some terminals sends old memory

	failures, silences int // so far, of the whole data set
}

// prepare asks for a data set. A terminal that refuses is asked once more, after it was
// told to free what it may still hold, and then with the command of the old kind. Who
// gets a prepared must free it.
func (c *Conn) prepare(ctx context.Context, set Dataset) (*prepared, error) {
	if c.open {
		return nil, ErrBusy
	}
	d := &prepared{c: c, set: set}
	c.open = true
	err := d.ask(ctx)
	var refusal *Refusal
	if errors.As(err, &refusal) && refusal.Code != AckUnauth {
		c.free(ctx)
		c.open = true
		if err = d.ask(ctx); errors.As(err, &refusal) && refusal.Code != AckUnauth {
			err = d.askLegacy(ctx, err)
		}
	}
	if err != nil {
		c.free(ctx)
		return nil, err
	}
	return d, nil
}

// ask sends PREPARE_BUFFER. An answer that brings the data itself and is garbled is
// asked for again.
func (d *prepared) ask(ctx context.Context) error {
	for {
		first, err := d.c.ask(ctx, PrepareBuffer, d.set.Request())
		if err != nil {
			return err
		}
		if first.Code == AckOK {
			return d.announced(first.Body)
		}
		err = d.keep(d.c.gather(ctx, PrepareBuffer, first, nil, -1))
		if refusal := (*Refusal)(nil); err == nil || errors.As(err, &refusal) || !d.again(err) {
			return err
		}
	}
}

// announced reads the answer of a terminal that holds the data set ready: u8 0, u32
// size, u32 size, u32 unknown.
func (d *prepared) announced(body []byte) error {
	if len(body) < 5 {
		return fmt.Errorf("size of %s in %d bytes: %w", d.set, len(body), ErrGarbled)
	}
	size := binary.LittleEndian.Uint32(body[1:])
	if size < totalSize {
		return fmt.Errorf("%s of %d bytes: %w", d.set, size, ErrGarbled)
	}
	if size > maxDataset {
		return fmt.Errorf("%s of %d bytes: %w", d.set, size, ErrTooLong)
	}
	d.size = int(size)
	return nil
}

// askLegacy sends the command of the old kind; refused is why.
func (d *prepared) askLegacy(ctx context.Context, refused error) error {
	command, kind := d.set.source()
	var body []byte
	switch d.set {
	case DatasetOperations:
		return refused // there is none
	case DatasetUsers, DatasetTemplates:
		body = []byte{byte(kind)}
	}
	d.legacy = true
	for {
		first, err := d.c.ask(ctx, command, body)
		if err == nil {
			err = d.keep(d.c.gather(ctx, command, first, nil, -1))
		}
		if refusal := (*Refusal)(nil); errors.As(err, &refusal) {
			return fmt.Errorf("%w; by the command of the old kind: %w", refused, err)
		}
		if err == nil || !d.again(err) {
			return err
		}
	}
}

// keep takes a data set that came at once; its total tells whether all of it did.
func (d *prepared) keep(whole []byte, err error) error {
	if err != nil {
		return err
	}
	if _, err := cutTotal(whole); err != nil {
		return fmt.Errorf("%w: %w", ErrGarbled, err)
	}
	d.whole, d.size = whole, len(whole)
	return nil
}

// again tells whether what failed is worth asking for again. The budget of a data set
// grows with its chunks, so that a line which loses one packet in a hundred still
// brings a large log, and a terminal that freezes does not hold us for long.
func (d *prepared) again(err error) bool {
	chunks := d.size / d.c.options.ChunkSize
	refusal := (*Refusal)(nil)
	switch {
	case d.c.broken != nil:
		return false
	case errors.Is(err, ErrSilent):
		d.silences++
	case errors.Is(err, ErrGarbled), errors.Is(err, ErrChecksum), errors.As(err, &refusal):
	default:
		return false
	}
	d.failures++
	limit := chunkRetries
	if d.c.line.lossy() {
		limit += chunks / 8
	}
	return d.silences <= limit && d.failures <= chunkRetries+chunks
}

// read appends n bytes from off to dst, chunk by chunk. On an error dst is returned as
// it was.
func (d *prepared) read(ctx context.Context, dst []byte, off, n int, progress func(done int)) ([]byte, error) {
	if d.whole != nil {
		return append(dst, d.whole[off:off+n]...), nil
	}
	start := len(dst)
	for done := 0; done < n; {
		step := min(n-done, d.c.options.ChunkSize)
		out, err := d.chunk(ctx, dst, off+done, step)
		if err != nil {
			return dst[:start], fmt.Errorf("%d bytes at %d of %d: %w", step, off+done, d.size, err)
		}
		dst = out
		done += step
		if progress != nil {
			progress(done)
		}
	}
	return dst, nil
}

// chunk asks for one range until it came whole, a few times.
func (d *prepared) chunk(ctx context.Context, dst []byte, off, n int) ([]byte, error) {
	var body [8]byte
	binary.LittleEndian.PutUint32(body[:], uint32(off))
	binary.LittleEndian.PutUint32(body[4:], uint32(n))
	for try := 0; ; try++ {
		first, err := d.c.askOnce(ctx, ReadBuffer, body[:])
		if err == nil {
			var out []byte
			if out, err = d.c.gather(ctx, ReadBuffer, first, dst, n); err == nil {
				return out, nil
			}
		}
		if !d.again(err) || try == chunkRetries {
			return dst, err
		}
	}
}

// all reads the data set from start to end, without its total.
func (d *prepared) all(ctx context.Context) ([]byte, error) {
	data, err := d.read(ctx, make([]byte, 0, min(d.size, firstAllocation)), 0, d.size, nil)
	if err != nil {
		return nil, err
	}
	rows, err := cutTotal(data)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrGarbled, err)
	}
	return rows, nil
}

// free lets the terminal forget the data set, even when ctx has ended: one that is left
// open can make the next fail.
func (c *Conn) free(ctx context.Context) {
	if !c.open {
		return
	}
	c.open = false
	if c.broken != nil {
		return
	}
	c.unwatch()
	freeing, cancel := context.WithTimeout(context.WithoutCancel(ctx), min(freeWait, c.options.Timeout))
	c.unwatch = c.watch(freeing)
	// Whether the terminal had something to forget is not our concern.
	_ = c.command(freeing, FreeData, nil)
	c.unwatch()
	cancel()
	c.unwatch = c.watch(ctx)
}

// dataset reads one whole data set.
func (c *Conn) dataset(ctx context.Context, set Dataset) (rows []byte, legacy bool, err error) {
	d, err := c.prepare(ctx, set)
	if err != nil {
		return nil, false, fmt.Errorf("read %s: %w", set, err)
	}
	defer c.free(ctx)
	rows, err = d.all(ctx)
	if err != nil {
		return nil, false, fmt.Errorf("read %s: %w", set, err)
	}
	return rows, d.legacy, nil
}
