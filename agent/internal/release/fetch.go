package release

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bkpsdmd-babel/sidik/agent/internal/launch"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/trust"
)

// chunk is what is asked for at once: what a power cut or a broken line costs. chunkTime
// is for one, on a line of 20 kbit/s too.
const (
	chunk     = 256 << 10
	chunkTime = 4 * time.Minute
)

// obstacle is an error with what the agency is told of it.
type obstacle struct {
	reason launch.Reason
	cause  error
}

func (o *obstacle) Error() string { return string(o.reason) + ": " + o.cause.Error() }
func (o *obstacle) Unwrap() error { return o.cause }

// reasonOf is what the agency is told of an error; a disk that fails is the buffer's to tell.
func reasonOf(err error) launch.Reason {
	var o *obstacle
	if errors.As(err, &o) {
		return o.reason
	}
	return ""
}

// fetch brings a program into the folder, from where it was left. It returns nil when the
// program is there whole.
func (r *Release) fetch(ctx context.Context, f protocol.ReleaseFile) error {
	if r.whole == f.SHA256 {
		return nil // the launcher looks at it again
	}
	if r.folder.Fit(launch.Program{SHA256: f.SHA256}) == nil {
		r.whole = f.SHA256
		return nil
	}
	part, err := os.OpenFile(r.folder.Program(f.SHA256)+launch.PartSuffix, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("fetch release: %w", err)
	}
	if err := errors.Join(r.pieces(ctx, part, f), part.Close()); err != nil {
		return fmt.Errorf("fetch release: %w", err)
	}
	if err := r.folder.Install(f.SHA256); err != nil {
		if errors.Is(err, launch.ErrProgram) { // it begins anew: its piece is gone
			return &obstacle{Spoiled, err}
		}
		return err
	}
	r.whole = f.SHA256
	return nil
}

// pieces appends what is missing, each piece on disk before the next.
func (r *Release) pieces(ctx context.Context, part *os.File, f protocol.ReleaseFile) error {
	have, err := part.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	if have > f.Size {
		if err := part.Truncate(0); err != nil {
			return err
		}
		have = 0
	}
	if err := r.room(f.Size - have); err != nil {
		return err
	}
	transport := &http.Transport{TLSClientConfig: r.o.Keyring.Client(trust.RoleAgents), MaxIdleConns: 1}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	for have < f.Size {
		n, err := r.piece(ctx, client, part, f, have)
		if err != nil {
			return err
		}
		have += n
	}
	return nil
}

// room reports a disk that a program would fill.
func (r *Release) room(need int64) error {
	var disk unix.Statfs_t
	if err := unix.Statfs(r.folder.Path(""), &disk); err != nil {
		return fmt.Errorf("look for room: %w", &fs.PathError{Op: "statfs", Path: r.folder.Path(""), Err: err})
	}
	if free := int64(disk.Bavail) * int64(disk.Bsize); free-need < r.o.MinFree {
		return &obstacle{NoRoom, fmt.Errorf("%d bytes are needed, %d are free, and %d must stay free", need, free, r.o.MinFree)}
	}
	return nil
}

// piece fetches the next bytes from an offset, and returns how many there were.
func (r *Release) piece(ctx context.Context, client *http.Client, part *os.File, f protocol.ReleaseFile, from int64) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, chunkTime)
	defer cancel()
	address, err := url.JoinPath(r.o.Hub, protocol.PathRelease, f.SHA256.String())
	if err != nil {
		return 0, fmt.Errorf("address of the hub %q: %w", r.o.Hub, err)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return 0, err
	}
	to := min(from+chunk, f.Size) - 1
	request.Header.Set("Range", fmt.Sprintf("bytes=%d-%d", from, to))
	answer, err := client.Do(request)
	if err != nil {
		return 0, &obstacle{NoAnswer, err}
	}
	defer answer.Body.Close()
	switch answer.StatusCode {
	case http.StatusPartialContent:
	case http.StatusNotFound, http.StatusForbidden, http.StatusUnauthorized:
		return 0, &obstacle{NotGiven, errors.New("the hub answers " + answer.Status)}
	default:
		return 0, &obstacle{NoAnswer, errors.New("the hub answers " + answer.Status)}
	}
	if want := fmt.Sprintf("bytes %d-%d/%d", from, to, f.Size); answer.Header.Get("Content-Range") != want {
		return 0, &obstacle{NotGiven, fmt.Errorf("the hub gives %q, asked for was %q", answer.Header.Get("Content-Range"), want)}
	}
	n, err := io.Copy(io.NewOffsetWriter(part, from), io.LimitReader(answer.Body, to-from+1))
	r.got += n
	if err = errors.Join(err, part.Sync()); err == nil && n != to-from+1 {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return 0, &obstacle{NoAnswer, err} // what came of it stays: the next attempt goes on behind it
	}
	return n, nil
}
