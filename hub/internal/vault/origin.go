package vault

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/bkpsdmd-babel/sidik/protocol"
)

// OriginCaptured is the kind of an origin that is a job; the others are kinds of finds.
const OriginCaptured Kind = "captured"

// Origin is where a template of an employee came from.
type Origin struct {
	Kind   Kind // OriginCaptured, KindFound or KindCopy
	Site   protocol.SiteID
	Serial protocol.Serial
	Job    int64  // that captured it
	PIN    string // under which the terminal held what was found there
}

// String is the origin as it is kept. A template is sealed to these very bytes: they
// never change, and people read them in their own words.
func (o Origin) String() string {
	if o.Kind == OriginCaptured {
		return fmt.Sprintf("captured at %s/%s, job %d", o.Site, o.Serial, o.Job)
	}
	return fmt.Sprintf("%s at %s/%s, PIN %s", o.Kind, o.Site, o.Serial, o.PIN)
}

// ReadOrigin is the reverse of String; false for what somebody wrote otherwise.
func ReadOrigin(text string) (o Origin, ok bool) {
	kind, rest, _ := strings.Cut(text, " at ")
	site, rest, _ := strings.Cut(rest, "/")
	serial, detail, _ := strings.Cut(rest, ", ")
	o = Origin{Kind: Kind(kind), Site: protocol.SiteID(site), Serial: protocol.Serial(serial)}
	switch o.Kind {
	case OriginCaptured:
		o.Job, _ = strconv.ParseInt(strings.TrimPrefix(detail, "job "), 10, 64)
	case KindFound, KindCopy:
		o.PIN = strings.TrimPrefix(detail, "PIN ")
	default:
		return Origin{}, false
	}
	return o, o.String() == text
}
