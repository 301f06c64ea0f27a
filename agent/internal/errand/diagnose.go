package errand

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"

	"github.com/bkpsdmd-babel/sidik/protocol"
)

// diagnose tells the hub how the installation is. The report is in one message: the
// oldest lines of the log are left out until it fits.
func (e *Errands) diagnose(ctx context.Context, number protocol.Seq) error {
	report := e.o.Report(ctx)
	if err := ctx.Err(); err != nil {
		return err
	}
	text, err := pack(report)
	for err == nil && len(text) > protocol.MaxWhole && report.Log != "" {
		report.Log = report.Log[len(report.Log)/2+1:]
		text, err = pack(report)
	}
	if err == nil {
		e.mu.Lock()
		e.report = text // the hub may ask again
		e.mu.Unlock()
		err = e.o.Out.Diagnosis(number, text)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", errFailed, err)
	}
	return nil
}

func pack(report protocol.DiagnosisReport) ([]byte, error) {
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	err := json.NewEncoder(z).Encode(report)
	if err == nil {
		err = z.Close()
	}
	return packed.Bytes(), err
}
