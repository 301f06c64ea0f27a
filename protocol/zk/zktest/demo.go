package zktest

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"

	"github.com/bkpsdmd-babel/sidik/protocol/zk"
)

// FirstPIN is the PIN of the first invented user; the others follow.
const FirstPIN = 1001

const (
	seed       = 4370
	demoDays   = 1000 // that the punches are spread over at most
	equalEvery = 50   // each 50th punch is followed by one that is equal to it
)

// Fill puts invented users, templates and punches on an empty terminal. The same numbers on
// the same day give the same contents. The punches end the evening before the terminal's
// today; some rows are equal to the row before, as it happens in the field.
func (t *Terminal) Fill(users, templates, punches int) error {
	switch p := t.Profile(); {
	case users < 0 || templates < 0 || punches < 0:
		return fmt.Errorf("fill terminal: numbers below zero")
	case users > p.UserCap:
		return fmt.Errorf("fill terminal: profile %s holds %d users, not %d", p.Name, p.UserCap, users)
	case templates > min(users*10, p.TemplateCap):
		return fmt.Errorf("fill terminal: %d users on profile %s have at most %d templates, not %d", users, p.Name, min(users*10, p.TemplateCap), templates)
	case punches > p.RecordCap:
		return fmt.Errorf("fill terminal: profile %s holds %d punches, not %d", p.Name, p.RecordCap, punches)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.users = make([]zk.User, users)
	for i := range users {
		t.users[i] = demoUser(t.profile.Users, i)
	}
	t.templates = nil
	for i := range templates {
		uid, finger := uint16(i%users+1), uint8(i/users+6)%10
		t.templates = append(t.templates, demoTemplate(t.profile.Algorithm, uid, finger))
	}
	slices.SortFunc(t.templates, func(a, b zk.Template) int {
		return (int(a.UID)<<8 | int(a.Finger)) - (int(b.UID)<<8 | int(b.Finger))
	})
	t.log.clear()
	for _, a := range demoPunches(t.now(), max(users, 1), punches, t.profile.Verify) {
		if err := t.log.add(a, t.recordCap); err != nil {
			return err
		}
	}
	t.touch()
	return nil
}

// demoUser is an invented person; the first is an administrator.
func demoUser(layout zk.UserLayout, i int) zk.User {
	given := [...]string{"Arum", "Bagus", "Citra", "Dimas", "Elok", "Fajar", "Galih", "Hesti", "Indra", "Jelita"}[i%10]
	name := given + " Contoh " + strconv.Itoa(i+1)
	if layout == zk.User28 {
		name = given[:4] + strconv.Itoa(i+1)
	}
	u := zk.User{UID: uint16(i + 1), Name: []byte(name), Group: 1, PIN: strconv.Itoa(FirstPIN + i)}
	if i == 0 {
		u.Privilege = zk.PrivilegeAdmin
	}
	if i%5 == 4 {
		u.Card = uint32(7_000_000 + i)
	}
	return u
}

// demoTemplate is random bytes, for algorithm 10 behind a head like that of a real one.
//
//	0 2 varies   2 4 SS21   6 2 0   8 2 big-endian length   10 1 varies   11 7 constant   18 2 0
func demoTemplate(algorithm int, uid uint16, finger uint8) zk.Template {
	random := rand.New(rand.NewPCG(seed, uint64(uid)<<8|uint64(finger)))
	size := 900 + random.IntN(700)
	if algorithm == 9 {
		size = 500 + random.IntN(100)
	}
	data := make([]byte, size)
	for i := range data {
		data[i] = byte(1 + random.IntN(255)) // no zeros: clients cut them off the end
	}
	if algorithm != 9 {
		copy(data, "\x4D\xFDSS21\x00\x00")
		binary.BigEndian.PutUint16(data[8:], uint16(size))
		copy(data[11:], "\x04\x08\x05\x07\x09\xCE\xD0\x00\x00")
	}
	return zk.Template{UID: uid, Finger: finger, Flag: 1, Data: data}
}

// demoPunches are n punches of so many people on working days before today, in the order
// of time: coming in the morning, going in the afternoon, more between when they are many.
func demoPunches(now time.Time, people, n int, verify uint8) []zk.Attendance {
	each := max(2, (n+people*demoDays-1)/(people*demoDays)) // a person a day
	perDay := people * each
	days := (n + perDay - 1) / perDay
	day := time.Date(now.Year(), now.Month(), now.Day(), 0, 0, 0, 0, time.UTC)
	for left := days; left > 0; {
		if day = day.AddDate(0, 0, -1); workday(day) {
			left--
		}
	}
	random := rand.New(rand.NewPCG(seed, 0))
	punches := make([]zk.Attendance, 0, n)
	for ; len(punches) < n; day = day.AddDate(0, 0, 1) {
		if !workday(day) {
			continue
		}
		punches = append(punches, demoDay(random, day, people, each, verify)...)
	}
	punches = punches[:n]
	for i := equalEvery; i < n; i += equalEvery {
		punches[i] = punches[i-1]
	}
	return punches
}

func workday(day time.Time) bool {
	return day.Weekday() != time.Saturday && day.Weekday() != time.Sunday
}

func demoDay(random *rand.Rand, day time.Time, people, each int, verify uint8) []zk.Attendance {
	const from, to, spread = 7 * time.Hour, 16 * time.Hour, 45 * 60
	var punches []zk.Attendance
	for i := range people {
		for k := range each {
			at := day.Add(from + (to-from)*time.Duration(k)/time.Duration(each-1) + time.Duration(random.IntN(spread))*time.Second)
			packed, _ := zk.PackTime(at)
			punches = append(punches, zk.Attendance{
				Slot: uint16(i + 1), PIN: strconv.Itoa(FirstPIN + i), Time: packed, Status: uint8(k % 2), Verify: verify,
			})
		}
	}
	slices.SortStableFunc(punches, func(a, b zk.Attendance) int { return int(a.Time) - int(b.Time) })
	return punches
}

func decimal(n uint32) string { return strconv.FormatUint(uint64(n), 10) }
