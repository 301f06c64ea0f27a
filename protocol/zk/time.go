package zk

import (
	"fmt"
	"time"
)

// Time is a terminal's local wall clock, packed. No zone, no summer time.
//
//	((((year-2000)*12 + month-1)*31 + day-1)*24 + hour)*3600 + minute*60 + second
//
// Every month has 31 slots, so the number can name a day that does not exist, and
// differences of two numbers are not seconds across the end of a month.
type Time uint32

// PackTime packs the wall clock that t shows in its own location, without fractions;
// false when the year is not 2000 to 2099.
func PackTime(t time.Time) (Time, bool) {
	if t.Year() < 2000 || t.Year() > 2099 {
		return 0, false
	}
	return packClock(t.Year(), int(t.Month()), t.Day(), t.Hour(), t.Minute(), t.Second()), true
}

func packClock(year, month, day, hour, minute, second int) Time {
	days := ((year-2000)*12+month-1)*31 + day - 1
	return Time((days*24+hour)*3600 + minute*60 + second)
}

// Wall gives the wall clock, marked UTC for want of a zone; false when the number
// names a day that does not exist.
func (t Time) Wall() (time.Time, bool) {
	v := uint32(t)
	second := int(v % 60)
	v /= 60
	minute := int(v % 60)
	v /= 60
	hour := int(v % 24)
	v /= 24
	day := int(v%31) + 1
	v /= 31
	month := time.Month(v%12 + 1)
	year := int(v/12) + 2000
	if day > 28 && day > daysIn(month, year) {
		return time.Time{}, false
	}
	return time.Date(year, month, day, hour, minute, second, 0, time.UTC), true
}

func daysIn(month time.Month, year int) int {
	switch month {
	case time.April, time.June, time.September, time.November:
		return 30
	case time.February:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	}
	return 31
}

// String gives 2006-01-02T15:04:05, or zk: and the packed number when the day does
// not exist.
func (t Time) String() string {
	wall, ok := t.Wall()
	if !ok {
		return fmt.Sprintf("zk:%d", uint32(t))
	}
	return wall.Format("2006-01-02T15:04:05")
}

// time6Size is the length of a time in an event: year-2000, month, day, hour, minute,
// second, one byte each.
const time6Size = 6

// ParseTime6 reads the six bytes of an event's time. False when they name no moment;
// the packed number is still given when the fields are in range (30 February) and is
// zero when they are not.
func ParseTime6(b []byte) (Time, bool) {
	if len(b) < time6Size {
		return 0, false
	}
	if b[0] > 99 || b[1] < 1 || b[1] > 12 || b[2] < 1 || b[2] > 31 || b[3] > 23 || b[4] > 59 || b[5] > 59 {
		return 0, false
	}
	t := packClock(2000+int(b[0]), int(b[1]), int(b[2]), int(b[3]), int(b[4]), int(b[5]))
	_, exists := t.Wall()
	return t, exists
}

// AppendTime6 writes the six bytes of an event's time; days that do not exist are
// written as they are.
func AppendTime6(dst []byte, t Time) []byte {
	v := uint32(t)
	return append(dst, byte(v/60/60/24/31/12), byte(v/60/60/24/31%12+1), byte(v/60/60/24%31+1),
		byte(v/60/60%24), byte(v/60%60), byte(v%60))
}
