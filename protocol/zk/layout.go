package zk

import (
	"encoding/binary"
	"fmt"
	"time"
)

const (
	// sampleRows is how many rows, from all over the data, are looked at to guess a
	// layout.
	sampleRows = 50
	// leastScore is the share of rows that must look right when nothing else speaks
	// for a layout: rows read with a wrong stride look right half of the time at most.
	leastScore = 0.51
	// writtenYear is the least that a present time is taken for: a clock that lost its
	// time must not make every punch look like one of the future.
	writtenYear = 2026
)

// GuessRowLayout finds the shape of a log's rows from its bytes (without the u32
// total), the number of rows the terminal counted just before (negative: unknown) and
// the present time. The count may be exceeded by punches made meanwhile; where it does
// not decide, the rows that look most like punches do. When nothing looks like
// punches it is ErrLayout, or ErrCompressed where the log seems to be of that form.
func GuessRowLayout(data []byte, count int, now time.Time) (RowLayout, error) {
	return guessRowLayout(data, len(data), count, now)
}

// guessRowLayout is GuessRowLayout for who has only the first rows of a log of length
// bytes.
func guessRowLayout(data []byte, length, count int, now time.Time) (RowLayout, error) {
	stride := 0
	if count > 0 {
		stride = (length + count/2) / count
	}
	best, bestScore := RowLayout(0), 0.0
	for _, l := range [...]RowLayout{Row49, Row40, Row16, Row8B, Row8A} {
		size := l.Size()
		if length%size != 0 || len(data) < size {
			continue
		}
		score := l.score(data, now)
		if size == stride {
			score += 2 // The count outweighs any look of the rows, except between the two of 8 bytes.
		}
		if score > bestScore {
			best, bestScore = l, score
		}
	}
	if bestScore >= leastScore {
		return best, nil
	}
	if looksCompressed(data, now) {
		return 0, ErrCompressed
	}
	return 0, fmt.Errorf("%d bytes of attendance, %d rows counted: %w", length, count, ErrLayout)
}

// score is the share of sampled rows that look like punches.
func (l RowLayout) score(data []byte, now time.Time) float64 {
	return sample(data, l.Size(), func(row []byte) bool { return l.plausible(row, now) })
}

// sample is the share of rows, evenly spread over data, that are good.
func sample(data []byte, size int, good func(row []byte) bool) float64 {
	all := len(data) / size
	rows := min(all, sampleRows)
	n := 0
	for i := range rows {
		if good(data[i*all/rows*size:][:size]) {
			n++
		}
	}
	return float64(n) / float64(rows)
}

// plausible tells whether a row looks like a punch: an id, a day that exists, a year
// from 2001 to next year.
func (l RowLayout) plausible(row []byte, now time.Time) bool {
	var a Attendance
	if _, err := l.parse(row, &a, nil); err != nil {
		return false
	}
	switch l {
	case Row8A, Row8B:
		if a.Slot == 0 {
			return false
		}
	case Row16:
		if id := binary.LittleEndian.Uint32(row); id == 0 || row[10] != 0 || row[11] != 0 {
			return false
		}
	default:
		if !plausibleID(row[2 : 2+pinSize]) {
			return false
		}
	}
	wall, ok := a.Time.Wall()
	return ok && wall.Year() > 2000 && wall.Year() <= max(now.Year(), writtenYear)+1
}

// looksCompressed tells whether the log begins with a Row8B that is a punch: then the
// rows that spoil its length or its rhythm are short ones.
func looksCompressed(data []byte, now time.Time) bool {
	return len(data) >= Row8B.Size() && Row8B.plausible(data[:Row8B.Size()], now)
}
