package zktest

import (
	"fmt"
	"strings"

	"github.com/bkpsdmd-babel/sidik/protocol/zk"
)

// MaxData is the largest body of one DATA packet over TCP, however many bytes are announced:
// clients in the field read the frame length as 16 bits, and 8 + 65472 fits.
const MaxData = 65472

// MaxDatagram is the largest body of one DATA packet over UDP.
const MaxDatagram = 1024

// Profile is one combination of formats seen in the field. A copy may be changed before it
// is given to New.
type Profile struct {
	Name  string
	Users zk.UserLayout
	Rows  zk.RowLayout
	// Event is the length of a punch event's body: 10, 12, 14, 32, 36, 37 or 52.
	Event int
	// PacketSize is what PREPARE_DATA announces over TCP as the body of a DATA packet. A
	// packet never carries more than MaxData.
	PacketSize int
	// Sizes is the length of the sizes answer: 80, 92, 112, or 4 (a single zero).
	Sizes int
	// Direct is the largest dataset that is answered at once in one DATA packet; 0 never.
	Direct int
	// Verify is the way people identify themselves here: 1 finger, 15 face.
	Verify uint8

	Platform, Device, Firmware string
	Algorithm                  int // of the fingerprint templates: 9 or 10
	PINWidth                   int // digits

	UserCap, TemplateCap, RecordCap int

	Quirks Quirks
}

// Quirks are habits that differ between terminals of one family.
type Quirks struct {
	Letters      bool // a PIN may have them
	ReadOnly     bool // users and fingers can be read and not written
	UniqueFinger bool // one finger under two PINs is refused
	ReEncodes    bool // a finger that is written is kept in other bytes
	KeepsFinger  int  // 1: a finger written over another by itself is acknowledged and not taken, 2: it is refused, 3: as 1, and by SAVE_USERTEMPS too
}

// Profiles lists the families. The first is the default: it announces 65536 bytes and always
// offers a dataset for reading in parts, which every client tried in the field survives.
func Profiles() []Profile {
	const none, small = 0, 1000 // old firmware answers datasets below about 1 KB directly
	return []Profile{
		{"tft-new", zk.User72, zk.Row40, 36, 65536, 92, none, 1, "ZMM220_TFT", "K50", "Ver 6.60 Mar 11 2019", 10, 14, 3000, 3000, 200000, Quirks{}},
		{"tft-k40", zk.User72, zk.Row40, 32, 1008, 80, small, 1, "ZEM760_TFT", "K40/ID", "Ver 6.60 Apr 28 2015", 10, 9, 1000, 1000, 160000, Quirks{}},
		{"vl-49", zk.User72, zk.Row49, 52, 65536, 112, none, 15, "ZAM180-NF-Ver1.1.17", "MB560-VL", "Ver 6.60 Sep 19 2022", 10, 14, 3000, 3000, 200000, Quirks{Letters: true}},
		{"bw-zem560", zk.User28, zk.Row16, 12, 1008, 80, small, 1, "ZEM560", "X628-C", "Ver 6.60 Jun  9 2012", 10, 8, 3000, 3000, 200000, Quirks{}},
		{"bw-zem500", zk.User28, zk.Row8B, 10, 1008, 80, small, 1, "ZEM500", "MA300", "Ver 6.60 Aug 19 2011", 9, 5, 1500, 1500, 120000, Quirks{}},
		{"bw-old", zk.User28, zk.Row8A, 14, 1008, 80, small, 1, "ZEM300", "U100", "Ver 5.21 Feb 22 2008", 9, 5, 1500, 1500, 120000, Quirks{}},
		{"d2-wl20", zk.User72, zk.Row40, 32, 1008, 4, small, 1, "ZLM30_TFT", "WL20", "Ver 8.0.1.3-20151229", 10, 9, 1000, 1000, 150000, Quirks{}},
	}
}

// ProfileByName finds a profile; the error lists the names.
func ProfileByName(name string) (Profile, error) {
	var names []string
	for _, p := range Profiles() {
		if p.Name == name {
			return p, nil
		}
		names = append(names, p.Name)
	}
	return Profile{}, fmt.Errorf("no profile %q: choose one of %s", name, strings.Join(names, ", "))
}

// options are the answers to OPTIONS_RRQ. A name that is missing here is refused.
func (p Profile) options(serial string) map[string]string {
	tft := "0"
	if p.Users == zk.User72 {
		tft = "1"
	}
	letters := "0"
	if p.Quirks.Letters {
		letters = "1"
	}
	face := "0"
	if p.Verify == 15 {
		face = "1"
	}
	return map[string]string{
		"~SerialNumber": serial, "~Platform": p.Platform, "~DeviceName": p.Device,
		"~OEMVendor": "SIMULATED", "~ProductTime": "2019-03-11 09:00:00", "~OS": "1",
		"~ZKFPVersion": fmt.Sprint(p.Algorithm), "~PIN2Width": fmt.Sprint(p.PINWidth), "~IsABCPinEnable": letters,
		"~SSR": tft, "~ExtendFmt": "0", "~UserExtFmt": tft, "ExtendOPLog": "0", "CompatOldFirmware": "0",
		"FingerFunOn": "1", "FaceFunOn": face, "~IsOnlyRFMachine": "0", "~RFCardOn": "1", "WorkCode": "0",
		"MAC": "00:17:61:00:00:01", "IPAddress": "127.0.0.1", "NetMask": "255.255.255.0", "GATEIPAddress": "127.0.0.1",
		"DHCP": "0", "TCPPort": "4370", "UDPPort": "4370", "DeviceID": "1", "NewLng": "97",
		"VoiceOn": "1", "NetworkOn": "1", "DaylightSavingTime": "0", "LockOn": "5", "AlarmReRec": "0", "MThreshold": "35",
	}
}
