package entrance_test

import (
	"bytes"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/bkpsdmd-babel/sidik/hub/internal/entrance"
)

// lines hands on what is logged.
type lines chan string

func (l lines) Write(line []byte) (int, error) {
	l <- string(bytes.Clone(line))
	return len(line), nil
}

// What a real server says is told by who it is about.
func TestAServerTellsOfItself(t *testing.T) {
	for _, row := range []struct {
		name string
		do   func(t *testing.T, s *httptest.Server)
		want []string
	}{
		{"a client without TLS is for debugging", func(t *testing.T, s *httptest.Server) {
			c, err := net.Dial("tcp", s.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if _, err := c.Write([]byte("hello, who is there?\r\n\r\n")); err != nil {
				t.Fatal(err)
			}
		}, []string{"level=DEBUG", "TLS handshake error"}},
		{"a panic is told", func(t *testing.T, s *httptest.Server) {
			if answer, err := s.Client().Get(s.URL + "/panic"); err == nil {
				answer.Body.Close()
				t.Errorf("answered with %d", answer.StatusCode)
			}
		}, []string{"level=WARN", "panic serving"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			told := make(lines, 100)
			log := slog.New(slog.NewTextHandler(told, &slog.HandlerOptions{Level: slog.LevelDebug}))
			s := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("on purpose") }))
			s.Config.ErrorLog = slog.NewLogLogger(entrance.Log(log), slog.LevelWarn)
			s.StartTLS()
			defer s.Close()
			row.do(t, s)
			line := <-told
			for _, want := range row.want {
				if !strings.Contains(line, want) {
					t.Errorf("told is %q, without %q", line, want)
				}
			}
		})
	}
}

// full is a listener of a machine that has no room for another connection.
type full struct {
	net.Listener
	tried bool
}

type busy struct{ error }

func (busy) Timeout() bool   { return false }
func (busy) Temporary() bool { return true }

func (f *full) Accept() (net.Conn, error) {
	if f.tried {
		return nil, net.ErrClosed
	}
	f.tried = true
	return nil, busy{errors.New("too many open files")}
}

func TestAServerTellsThatItHasNoRoom(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var told bytes.Buffer
	s := &http.Server{ErrorLog: slog.NewLogLogger(entrance.Log(slog.New(slog.NewTextHandler(&told, nil))), slog.LevelWarn)}
	if err := s.Serve(&full{Listener: l}); !errors.Is(err, net.ErrClosed) {
		t.Fatal(err)
	}
	if !strings.Contains(told.String(), "too many open files") {
		t.Errorf("told is %q", &told)
	}
	told.Reset()
	s.ErrorLog.Print("http: TLS handshake error from 203.0.113.9:1: EOF")
	if told.Len() > 0 {
		t.Errorf("told is %q, which nobody debugs", &told)
	}
}
