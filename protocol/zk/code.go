package zk

import "strconv"

// Code is the first word of a packet: a command when the client sends it, a reply
// (or an event) when the terminal does.
type Code uint16

// The life of a session:
//
//	client                        terminal
//	CONNECT session 0        →    ACK_OK, session S              open terminal
//	                              ACK_UNAUTH, session S          a key is set
//	AUTH scrambled key       →    ACK_OK | ACK_UNAUTH
//	ENABLEDEVICE             →    ACK_OK                         undo a crashed client
//	…requests, one at a time, each with the next reply id; every packet of the
//	answer repeats that id…
//	EXIT                     →    ACK_OK, then the line closes
//
// Reading a data set:
//
//	PREPARE_BUFFER which     →    DATA all of it                 small sets
//	                              ACK_OK 0, u32 size, u32 size, u32
//	READ_BUFFER off, len     →    PREPARE_DATA u32 len, u32 packet
//	                              DATA…, session field 0, 1, 2 …
//	                              ACK_OK, session field meaningless
//	                         or   DATA len bytes
//	FREE_DATA                →    ACK_OK
//
// Writing users and fingers:
//
//	DISABLEDEVICE seconds    →    ACK_OK                         nobody punches meanwhile
//	USER_WRQ row             →    ACK_OK                         over whoever has the slot
//	PREPARE_DATA u32 length  →    ACK_OK                         begins an upload
//	DATA 1024 bytes          →    ACK_OK                         each
//	TMP_WRITE                →    ACK_OK                         the upload is one finger
//	SAVE_USERTEMPS           →    ACK_OK                         or users with their fingers
//	FREE_DATA                →    ACK_OK
//	REFRESHDATA              →    ACK_OK
//	ENABLEDEVICE             →    ACK_OK
//
// Live events, at any moment once registered:
//
//	REG_EVENT u32 mask       →    ACK_OK
//	ACK_OK session S, reply 0 ←   REG_EVENT, session field = event code, reply 0
//
// Source: the vendor's communication manual of 2006, the public captures named in
// testdata/zk/README.md, and client libraries in use in the field.
const (
	CmdDBRead           Code = 7    // u8 type: bulk of the old kind
	CmdUserWrite        Code = 8    // user row of 28 or 72 bytes
	CmdUserTempRead     Code = 9    // u16 slot, u8 finger: one template; u8 5: all users, old kind
	CmdUserTempWrite    Code = 10   // template row, old kind
	CmdOptionRead       Code = 11   // name NUL → name=value NUL
	CmdOptionWrite      Code = 12   // name=value NUL
	CmdAttLogRead       Code = 13   // empty: the log, old kind
	CmdClearData        Code = 14   // empty erases EVERYTHING; u8 1 log, 2 templates, 4 operations, 5 users
	CmdClearAttLog      Code = 15   // empty
	CmdDeleteUser       Code = 18   // u16 slot
	CmdDeleteUserTemp   Code = 19   // u16 slot, u8 finger
	CmdClearAdmin       Code = 20   // empty
	CmdUserGroupRead    Code = 21   // u32 slot → u8 group
	CmdUserGroupWrite   Code = 22   // u32 slot, u8 group
	CmdUserZoneRead     Code = 23   // u32 slot → u16 own, 3 × u16 zone
	CmdUserZoneWrite    Code = 24   // u32 slot, u32 own, 3 × u32 zone
	CmdGroupZoneRead    Code = 25   // u8 group, 7 zero → u8 group, 3 × u16 zone, u8 mode
	CmdGroupZoneWrite   Code = 26   // the same 8 bytes
	CmdZoneRead         Code = 27   // u32 index → u16 index, 7 × (h m h m), 2 unknown
	CmdZoneWrite        Code = 28   // u32 index, 7 × (h m h m)
	CmdUnlockGroupRead  Code = 29   // u8 combination, 7 zero → u8, 5 × u8 group, u16 count
	CmdUnlockGroupWrite Code = 30   // the same 8 bytes
	CmdUnlock           Code = 31   // u32 delay
	CmdClearAccess      Code = 32   // empty
	CmdClearOpLog       Code = 33   // empty
	CmdOpLogRead        Code = 34   // only through PREPARE_BUFFER
	CmdFreeSizes        Code = 50   // empty → Sizes
	CmdEnableClock      Code = 57   // u8 or u32
	CmdStartVerify      Code = 60   // empty, or u16 slot
	CmdStartEnroll      Code = 61   // char[24] PIN, u8 finger, u8 flag; old: u32 PIN, u8 finger
	CmdCancelCapture    Code = 62   // empty
	CmdState            Code = 64   // empty → the state is in the session field
	CmdWriteLCD         Code = 66   // u16 line, u8 0, text
	CmdClearLCD         Code = 67   // empty
	CmdPINWidth         Code = 69   // empty → u8 digits
	CmdSMSWrite         Code = 70   // short message
	CmdSMSRead          Code = 71   // u16 message
	CmdSMSDelete        Code = 72   // u16 message
	CmdUserDataWrite    Code = 73   // message to user
	CmdUserDataDelete   Code = 74   // message to user
	CmdDoorState        Code = 75   // empty → u8 1 open
	CmdWriteMifare      Code = 76   // card bytes
	CmdEmptyMifare      Code = 78   // empty
	CmdVerifyWrite      Code = 79   // u16 slot, u8 mode, 21 zero
	CmdVerifyRead       Code = 80   // u16 slot → the same row
	CmdTempWrite        Code = 87   // u16 slot, u8 finger, u8 flag, u16 length: takes the uploaded template
	CmdTempRead         Code = 88   // u16 slot, u8 finger → template, then one byte more
	CmdSaveUserTemps    Code = 110  // u32 12, u16 0, u16 8: takes an uploaded Upload
	CmdChecksumBuffer   Code = 119  // empty → u32
	CmdDeleteTemp       Code = 134  // char[24] PIN, u8 finger
	CmdGetTime          Code = 201  // empty → u32 Time
	CmdSetTime          Code = 202  // u32 Time
	RegEvent            Code = 500  // u32 mask; from the terminal: an event
	CmdConnect          Code = 1000 // empty
	CmdExit             Code = 1001 // empty
	CmdEnable           Code = 1002 // empty
	CmdDisable          Code = 1003 // empty, or u32 seconds
	CmdRestart          Code = 1004 // empty; many terminals do not answer
	CmdPowerOff         Code = 1005 // empty
	CmdSleep            Code = 1006 // empty
	CmdResume           Code = 1007 // empty
	CmdCaptureFinger    Code = 1009 // empty
	CmdTestTemp         Code = 1011 // template
	CmdCaptureImage     Code = 1012 // empty
	CmdRefreshData      Code = 1013 // empty; after users or templates changed
	CmdRefreshOption    Code = 1014 // empty; after OPTIONS_WRQ
	CmdTestVoice        Code = 1017 // u32 index
	CmdVersion          Code = 1100 // empty → text NUL
	CmdChangeSpeed      Code = 1101 // u8
	CmdAuth             Code = 1102 // Scramble, 4 bytes
	PrepareData         Code = 1500 // u32 length, u32 packet size
	Data                Code = 1501 // bytes
	FreeData            Code = 1502 // empty
	PrepareBuffer       Code = 1503 // Dataset.Request, 11 bytes
	ReadBuffer          Code = 1504 // i32 offset, i32 length

	AckOK           Code = 2000
	AckError        Code = 2001 // refused, not found, unknown option
	AckData         Code = 2002
	AckRetry        Code = 2003 // ask once more
	AckRepeat       Code = 2004
	AckUnauth       Code = 2005   // a key is needed, or it was wrong
	AckLimit        Code = 4990   // newer firmware writes its error -N as 5000-N
	AckNoMemory     Code = 4989   // in the field: PREPARE_BUFFER of a terminal in access mode
	AckNoRecord     Code = 4991   // not found
	AckReadFailed   Code = 4993   // in the field: a finger that does not exist
	AckOptionFailed Code = 4999   // in the field: an option that does not exist
	AckErrorData    Code = 0xFFFB // bad data
	AckErrorInit    Code = 0xFFFC // not initialised
	AckErrorCmd     Code = 0xFFFD // bad command
	AckUnknown      Code = 0xFFFF // not implemented in this firmware
)

// String gives the vendor's name of the code, or "code 1234".
func (c Code) String() string {
	if name := c.name(); name != "" {
		return name
	}
	return "code " + strconv.Itoa(int(c))
}

func (c Code) name() string {
	switch c {
	case CmdDBRead:
		return "DB_RRQ"
	case CmdUserWrite:
		return "USER_WRQ"
	case CmdUserTempRead:
		return "USERTEMP_RRQ"
	case CmdUserTempWrite:
		return "USERTEMP_WRQ"
	case CmdOptionRead:
		return "OPTIONS_RRQ"
	case CmdOptionWrite:
		return "OPTIONS_WRQ"
	case CmdAttLogRead:
		return "ATTLOG_RRQ"
	case CmdClearData:
		return "CLEAR_DATA"
	case CmdClearAttLog:
		return "CLEAR_ATTLOG"
	case CmdDeleteUser:
		return "DELETE_USER"
	case CmdDeleteUserTemp:
		return "DELETE_USERTEMP"
	case CmdClearAdmin:
		return "CLEAR_ADMIN"
	case CmdUserGroupRead:
		return "USERGRP_RRQ"
	case CmdUserGroupWrite:
		return "USERGRP_WRQ"
	case CmdUserZoneRead:
		return "USERTZ_RRQ"
	case CmdUserZoneWrite:
		return "USERTZ_WRQ"
	case CmdGroupZoneRead:
		return "GRPTZ_RRQ"
	case CmdGroupZoneWrite:
		return "GRPTZ_WRQ"
	case CmdZoneRead:
		return "TZ_RRQ"
	case CmdZoneWrite:
		return "TZ_WRQ"
	case CmdUnlockGroupRead:
		return "ULG_RRQ"
	case CmdUnlockGroupWrite:
		return "ULG_WRQ"
	case CmdUnlock:
		return "UNLOCK"
	case CmdClearAccess:
		return "CLEAR_ACC"
	case CmdClearOpLog:
		return "CLEAR_OPLOG"
	case CmdOpLogRead:
		return "OPLOG_RRQ"
	case CmdFreeSizes:
		return "GET_FREE_SIZES"
	case CmdEnableClock:
		return "ENABLE_CLOCK"
	case CmdStartVerify:
		return "STARTVERIFY"
	case CmdStartEnroll:
		return "STARTENROLL"
	case CmdCancelCapture:
		return "CANCELCAPTURE"
	case CmdState:
		return "STATE_RRQ"
	case CmdWriteLCD:
		return "WRITE_LCD"
	case CmdClearLCD:
		return "CLEAR_LCD"
	case CmdPINWidth:
		return "GET_PINWIDTH"
	case CmdSMSWrite:
		return "SMS_WRQ"
	case CmdSMSRead:
		return "SMS_RRQ"
	case CmdSMSDelete:
		return "DELETE_SMS"
	case CmdUserDataWrite:
		return "UDATA_WRQ"
	case CmdUserDataDelete:
		return "DELETE_UDATA"
	case CmdDoorState:
		return "DOORSTATE_RRQ"
	case CmdWriteMifare:
		return "WRITE_MIFARE"
	case CmdEmptyMifare:
		return "EMPTY_MIFARE"
	case CmdVerifyWrite:
		return "VERIFY_WRQ"
	case CmdVerifyRead:
		return "VERIFY_RRQ"
	case CmdTempWrite:
		return "TMP_WRITE"
	case CmdTempRead:
		return "GET_USERTEMP"
	case CmdSaveUserTemps:
		return "SAVE_USERTEMPS"
	case CmdChecksumBuffer:
		return "CHECKSUM_BUFFER"
	case CmdDeleteTemp:
		return "DEL_FPTMP"
	case CmdGetTime:
		return "GET_TIME"
	case CmdSetTime:
		return "SET_TIME"
	case RegEvent:
		return "REG_EVENT"
	case CmdConnect:
		return "CONNECT"
	case CmdExit:
		return "EXIT"
	case CmdEnable:
		return "ENABLEDEVICE"
	case CmdDisable:
		return "DISABLEDEVICE"
	case CmdRestart:
		return "RESTART"
	case CmdPowerOff:
		return "POWEROFF"
	case CmdSleep:
		return "SLEEP"
	case CmdResume:
		return "RESUME"
	case CmdCaptureFinger:
		return "CAPTUREFINGER"
	case CmdTestTemp:
		return "TEST_TEMP"
	case CmdCaptureImage:
		return "CAPTUREIMAGE"
	case CmdRefreshData:
		return "REFRESHDATA"
	case CmdRefreshOption:
		return "REFRESHOPTION"
	case CmdTestVoice:
		return "TESTVOICE"
	case CmdVersion:
		return "GET_VERSION"
	case CmdChangeSpeed:
		return "CHANGE_SPEED"
	case CmdAuth:
		return "AUTH"
	case PrepareData:
		return "PREPARE_DATA"
	case Data:
		return "DATA"
	case FreeData:
		return "FREE_DATA"
	case PrepareBuffer:
		return "PREPARE_BUFFER"
	case ReadBuffer:
		return "READ_BUFFER"
	case AckOK:
		return "ACK_OK"
	case AckError:
		return "ACK_ERROR"
	case AckData:
		return "ACK_DATA"
	case AckRetry:
		return "ACK_RETRY"
	case AckRepeat:
		return "ACK_REPEAT"
	case AckUnauth:
		return "ACK_UNAUTH"
	case AckLimit:
		return "limit reached (4990)"
	case AckNoMemory:
		return "no session memory (4989)"
	case AckNoRecord:
		return "not found (4991)"
	case AckReadFailed:
		return "read failed (4993)"
	case AckOptionFailed:
		return "option failed (4999)"
	case AckErrorData:
		return "ERROR_DATA"
	case AckErrorInit:
		return "ERROR_INIT"
	case AckErrorCmd:
		return "ERROR_CMD"
	case AckUnknown:
		return "ACK_UNKNOWN"
	}
	return ""
}

// EventCode says what a live event tells; it travels in the session field. The same
// bits, added up, are the mask of REG_EVENT.
type EventCode uint16

const (
	EventAttLog     EventCode = 1   // a punch: Event, AppendAttLogEvent
	EventFinger     EventCode = 2   // empty: a finger touched the sensor
	EventEnrollUser EventCode = 4   // u16 slot
	EventEnroll     EventCode = 8   // u16 result, then u16 size, PIN, u8 finger: Enrolled
	EventButton     EventCode = 16  // key
	EventUnlock     EventCode = 32  // door
	EventVerify     EventCode = 128 // u32 slot (all ones: nobody), u8
	EventQuality    EventCode = 256 // u8 or u16, 100 good
	EventAlarm      EventCode = 512 // u32 0x37 tamper, 0x35 exit button, 0x3A misuse
	EventsAll       EventCode = 0xFFFF
)

// String gives a short name of the event, or "event 1234".
func (e EventCode) String() string {
	switch e {
	case EventAttLog:
		return "attlog"
	case EventFinger:
		return "finger"
	case EventEnrollUser:
		return "enroll user"
	case EventEnroll:
		return "enroll finger"
	case EventButton:
		return "button"
	case EventUnlock:
		return "unlock"
	case EventVerify:
		return "verify"
	case EventQuality:
		return "finger quality"
	case EventAlarm:
		return "alarm"
	}
	return "event " + strconv.Itoa(int(e))
}
