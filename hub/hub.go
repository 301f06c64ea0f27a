// Package hub puts the parts of the hub together: the store, the broker, the
// line to it, what comes in (ingest), what goes out (dispatch) and the pages.
//
// It opens, starts, waits and closes in reverse order, and decides nothing.
package hub

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	"github.com/bkpsdmd-babel/sidik/hub/internal/account"
	"github.com/bkpsdmd-babel/sidik/hub/internal/broker"
	"github.com/bkpsdmd-babel/sidik/hub/internal/campaign"
	"github.com/bkpsdmd-babel/sidik/hub/internal/decision"
	"github.com/bkpsdmd-babel/sidik/hub/internal/directory"
	"github.com/bkpsdmd-babel/sidik/hub/internal/dispatch"
	"github.com/bkpsdmd-babel/sidik/hub/internal/entrance"
	"github.com/bkpsdmd-babel/sidik/hub/internal/errand"
	"github.com/bkpsdmd-babel/sidik/hub/internal/holding"
	"github.com/bkpsdmd-babel/sidik/hub/internal/ingest"
	"github.com/bkpsdmd-babel/sidik/hub/internal/job"
	"github.com/bkpsdmd-babel/sidik/hub/internal/keyring"
	"github.com/bkpsdmd-babel/sidik/hub/internal/metrics"
	"github.com/bkpsdmd-babel/sidik/hub/internal/placement"
	"github.com/bkpsdmd-babel/sidik/hub/internal/pull"
	"github.com/bkpsdmd-babel/sidik/hub/internal/release"
	"github.com/bkpsdmd-babel/sidik/hub/internal/retention"
	"github.com/bkpsdmd-babel/sidik/hub/internal/rosters"
	"github.com/bkpsdmd-babel/sidik/hub/internal/settings"
	"github.com/bkpsdmd-babel/sidik/hub/internal/store"
	"github.com/bkpsdmd-babel/sidik/hub/internal/survey"
	"github.com/bkpsdmd-babel/sidik/hub/internal/vault"
	"github.com/bkpsdmd-babel/sidik/hub/internal/web"
	"github.com/bkpsdmd-babel/sidik/hub/internal/web/api"
	"github.com/bkpsdmd-babel/sidik/hub/internal/whereabouts"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/mqtt"
	"github.com/bkpsdmd-babel/sidik/systemd/pulse"
)

// Config is what a hub is started with.
type Config struct {
	Data     string   // folder of key, database and broker
	Database string   // postgres://…, or empty for SQLite in Data
	Brokers  []string // tcp://HOST:PORT of a broker that runs elsewhere; none: the embedded one
	MQTT     string   // where the embedded broker listens; beyond loopback with Agents only
	// Agents is where agents ask for certificates; then the broker speaks TLS and lets in
	// whoever has one. Empty: neither, on loopback.
	Agents string
	Names  []string // hosts by which agents reach this machine; none: the host of Agents
	// Advertise are the brokers' addresses as agents reach them; none: Brokers, or those of
	// the embedded one.
	Advertise       []string
	CertificateLife time.Duration // of a site's certificate; zero: 90 days
	Pages           string        // where the pages listen; beyond loopback with TLS only
	Version         string
	Logger          *slog.Logger

	Now func() time.Time // the day by which rosters are reckoned and templates kept; nil is the machine's clock

	KeepLeft   int // days for which templates are kept after an employee left; 0: for ever
	KeepFound  int // of persons whom nobody knows
	KeepCopies int // taken before something was deleted at a terminal

	// PagesCert and PagesKey are files of the pages' certificate, read again when they
	// change; none: beyond loopback one of the hub's own authority.
	PagesCert, PagesKey string

	Invite func(link string) // called at each start until there is an administrator; may be nil

	Ready func(Addresses) // called once, when agents and browsers may come; may be nil
	Pulse *pulse.Pulse    // hears from the loops that take in, store and send out; may be nil
}

// Addresses is where a running hub is found. It is also written to the data
// folder, for the commands that talk to it.
type Addresses struct {
	Brokers []string `json:"brokers"`
	Agents  string   `json:"agents,omitempty"` // https://HOST:PORT of the door for agents
	Pages   string   `json:"pages"`
	Key     string   `json:"key"` // fingerprint of the hub's signing key
}

// ErrRunning says that another hub works in the data folder.
var ErrRunning = errors.New("another hub runs in this data folder; stop it first")

// Files of the data folder.
const (
	keyFile      = "hub.key"
	databaseFile = "hub.db"
	brokerFolder = "broker"
	runFile      = "run.json"
	keepFile     = "keep.json"
	lockFile     = "hub.lock"
)

// Hub is one running hub.
type Hub struct {
	config    Config
	keys      *keyring.Keyring
	store     *store.Store
	accounts  *account.Accounts
	register  *directory.Directory
	held      *holding.Holding
	fingers   *vault.Vault
	metrics   *metrics.Metrics
	dispatch  *dispatch.Dispatch
	ingest    *ingest.Ingest
	rosters   *rosters.Rosters
	survey    *survey.Survey
	jobs      *job.Jobs
	decisions *decision.Decisions
	campaigns *campaign.Campaigns
	pull      *pull.Pull
	retention *retention.Retention
	releases  *release.Releases
	broker    *broker.Broker // nil: another one
	agents    *agents        // nil: no certificates
	brokers   []string

	mu    sync.Mutex // guards live
	live  web.Live
	ready sync.Once
}

// Run runs a hub until ctx ends, and returns when nothing of it runs any more.
func Run(ctx context.Context, c Config) (err error) {
	if c.Now == nil {
		c.Now = time.Now
	}
	unlock, err := lock(c.Data)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	keys, err := openKeys(c.Data)
	if err != nil {
		return err
	}
	if keys.Created() {
		c.Logger.Info("hub keys made", "fingerprint", string(keys.Signing().Public().Fingerprint()))
	}
	if keys.Document().IsZero() {
		c.Logger.Warn("the agency's root has not signed this hub's keys: no agent will believe it; see: sidik-hub key request")
	}
	s, err := OpenStore(ctx, c.Data, c.Database)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	fingers, err := vault.Open(ctx, s, c.Data, c.Now)
	if err != nil {
		return err
	}
	held, register := holding.New(s), directory.New(s, placement.Usual())
	jobs, errands := job.New(s, register), errand.New(s)
	h := &Hub{config: c, keys: keys, store: s, accounts: account.New(s, time.Now), register: register, held: held, fingers: fingers, metrics: metrics.New(c.Version), brokers: c.Brokers}
	if c.Agents != "" {
		if err := h.openAgents(ctx); err != nil {
			return err
		}
		defer h.agents.door.Close()
	}
	if len(c.Brokers) == 0 {
		h.broker, err = broker.Start(ctx, broker.Options{Dir: filepath.Join(c.Data, brokerFolder), Listen: c.MQTT, Access: h.agents.access(ctx), Logger: c.Logger})
		if err != nil {
			return fmt.Errorf("start broker: %w", err)
		}
		defer h.broker.Close()
		h.brokers = []string{h.broker.URL()}
	}
	h.releases = release.New(s, c.Data)
	h.dispatch = dispatch.New(dispatch.Options{
		Store: s, Holding: held, Vault: templates{fingers, jobs, register}, Jobs: jobs, Errands: errands, Documents: documents(settings.New(s), h.releases), Key: keys.Signing(), Keys: keys.Document().Message(), Version: c.Version, Logger: c.Logger, Pulse: c.Pulse,
		Sent: func(n int) {
			for range n {
				h.metrics.Receipt()
			}
		},
		Refused: func(n int) {
			for range n {
				h.metrics.Refused(protocol.KindTemplatesDown, protocol.ReasonReceiver)
			}
		},
	})
	h.ingest = ingest.New(ingest.Options{
		Store: s, Holding: held, Vault: templates{fingers, jobs, register}, Jobs: jobs, Errands: errands, Dispatch: h.dispatch, Meter: h.metrics, Keys: keys,
		Workers: runtime.GOMAXPROCS(0), Logger: c.Logger, Pulse: c.Pulse,
	})
	h.jobs = jobs
	h.survey = survey.New(register, fingers, held, placement.Usual())
	h.decisions = decision.New(decision.Options{
		Database: s, Directory: register, Survey: h.survey, Holding: held, Now: c.Now, Logger: c.Logger,
	})
	h.campaigns = campaign.New(campaign.Options{Database: s, Directory: register, Survey: h.survey, Decisions: h.decisions})
	h.rosters = rosters.New(rosters.Options{
		Directory: register, Vault: fingers, Holding: held, Decisions: h.decisions, Settings: placement.Usual(), Generation: s.Generation,
		Changed: h.dispatch.RostersChanged, Now: c.Now, Logger: c.Logger,
	})
	h.pull = pull.New(pull.Options{
		Directory: register, Holding: held, Vault: fingers, Ask: h.dispatch.Ask, Now: c.Now, Logger: c.Logger,
	})
	days := retention.Days{Left: c.KeepLeft, Found: c.KeepFound, Copies: c.KeepCopies}
	if err := writeKeep(c.Data, days); err != nil {
		return err
	}
	h.retention = retention.New(retention.Options{
		Register: register.Register, Recorded: register.StatusesRecorded, Vault: fingers, Conditions: s, Now: c.Now, Logger: c.Logger,
		Days: days,
	})
	pages, err := openPages(c, h.agents.pages())
	if err != nil {
		return err
	}
	return h.run(ctx, pages)
}

// run serves pages and broker until ctx ends or one of them cannot go on.
func (h *Hub) run(ctx context.Context, pages pagesDoor) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	where := whereabouts.New(whereabouts.Options{
		Register: h.register.Register, Vault: h.fingers, State: h.store.State, Holding: h.held, Settings: placement.Usual(),
	})
	server := &http.Server{
		Handler: web.New(web.Options{
			Accounts: h.accounts, Store: h.store, Directory: h.register, Vault: h.fingers, Holding: h.held, Survey: h.survey, Decisions: h.decisions, Campaigns: h.campaigns, Jobs: h.jobs,
			Settings: placement.Usual(), Whereabouts: where, Way: h.agents.way(h.keys.Document()), Service: api.Service{Errands: errand.New(h.store), Key: h.keys}, Live: h.status, Metrics: h.metrics, StoreSize: h.storeSize,
			Address: pages.Addr().String(), Named: pages.named, Logger: h.config.Logger, Version: h.config.Version,
		}),
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       time.Minute, // a form is small
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    32 << 10,
		ErrorLog:          slog.NewLogLogger(entrance.Log(h.config.Logger), slog.LevelWarn),
		BaseContext:       func(net.Listener) context.Context { return ctx },
	}
	addresses := Addresses{Brokers: h.brokers, Agents: h.agents.url(), Pages: pages.url(), Key: string(h.keys.Signing().Public().Fingerprint())}
	if err := writeAddresses(h.config.Data, addresses); err != nil {
		return errors.Join(err, pages.Close())
	}
	defer os.Remove(filepath.Join(h.config.Data, runFile))
	if err := h.invite(ctx, addresses.Pages); err != nil {
		return errors.Join(err, pages.Close())
	}
	var parts sync.WaitGroup
	parts.Go(func() {
		if err := pages.serve(server); !errors.Is(err, http.ErrServerClosed) {
			cancel(fmt.Errorf("serve pages: %w", err))
		}
	})
	if h.agents != nil {
		parts.Go(func() { cancel(h.serveAgents(ctx)) })
		parts.Go(func() { cancel(h.followAgents(ctx)) })
		if h.broker != nil {
			parts.Go(func() { cancel(h.followReaders(ctx)) })
		}
	}
	parts.Go(func() { cancel(h.rosters.Run(ctx)) })
	parts.Go(func() { cancel(h.decisions.Run(ctx)) })
	parts.Go(func() { cancel(h.pull.Run(ctx)) })
	parts.Go(func() { cancel(h.retention.Run(ctx)) })
	parts.Go(func() { cancel(h.releases.Run(ctx, time.Now, h.config.Logger)) })
	parts.Go(func() {
		<-ctx.Done()
		closing, stop := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Second)
		defer stop()
		if server.Shutdown(closing) != nil {
			server.Close()
		}
	})
	parts.Go(func() {
		err := mqtt.Run(ctx, h.line(ctx), func(ctx context.Context, conn *mqtt.Conn) error {
			return h.serve(ctx, conn, func() {
				h.ready.Do(func() {
					if h.config.Ready != nil {
						h.config.Ready(addresses)
					}
				})
			})
		})
		if ctx.Err() == nil {
			cancel(fmt.Errorf("line to the broker: %w", err))
		}
	})
	parts.Wait()
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) {
		return cause
	}
	return nil
}

// line is the hub's own connection to its broker: an ordinary client's.
func (h *Hub) line(ctx context.Context) mqtt.Options {
	return mqtt.Options{
		Brokers:  h.brokers,
		TLS:      h.agents.line(),
		ClientID: "sidik-hub",
		Will:     func(uint32) (mqtt.Message, error) { return h.dispatch.Will(ctx) },
		Subscribe: []string{
			protocol.TopicUp(protocol.KindState), protocol.TopicUp(protocol.KindPunches), protocol.TopicUp(protocol.KindInventory),
			protocol.TopicUp(protocol.KindResults), protocol.TopicUp(protocol.KindTemplatesUp), protocol.TopicUp(protocol.KindProgress),
			protocol.TopicUp(protocol.KindDiagnosis),
		},
		OnTrouble: h.trouble,
		Logger:    h.config.Logger,
	}
}

// serve lives as long as one connection: it clears what strangers left, then
// takes in and sends out side by side.
func (h *Hub) serve(ctx context.Context, conn *mqtt.Conn, ready func()) error {
	if err := h.sweep(ctx); err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var parts sync.WaitGroup
	parts.Go(func() { cancel(h.ingest.Run(ctx, conn.Messages())) })
	parts.Go(func() { cancel(h.dispatch.Serve(ctx, conn, ready)) })
	parts.Go(func() {
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				h.metrics.Dropped(conn.Dropped())
			case <-ctx.Done():
				return
			}
		}
	})
	parts.Wait()
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) {
		return cause
	}
	return nil
}

// sweep looks at everything that the broker kept, over a connection of its own.
func (h *Hub) sweep(ctx context.Context) error {
	ctx, done := context.WithCancel(ctx)
	defer done()
	var swept error
	err := mqtt.Run(ctx, mqtt.Options{
		Brokers:   h.brokers,
		TLS:       h.agents.line(),
		ClientID:  "sidik-hub-sweep",
		Subscribe: []string{protocol.TopicAll},
		Logger:    h.config.Logger,
	}, func(ctx context.Context, conn *mqtt.Conn) error {
		swept = h.dispatch.Sweep(ctx, conn)
		done()
		return nil
	})
	if swept != nil || errors.Is(err, context.Canceled) {
		return swept
	}
	return err
}

func (h *Hub) trouble(err error) {
	h.mu.Lock()
	h.live.Broker, h.live.Since, h.live.Trouble = err == nil, time.Now(), err
	h.mu.Unlock()
	h.metrics.Broker(err == nil)
}

func (h *Hub) status() web.Live {
	h.mu.Lock()
	defer h.mu.Unlock()
	live := h.live
	live.Address = h.brokers[0]
	return live
}

func (h *Hub) storeSize() (int64, error) {
	var size int64
	for _, name := range []string{databaseFile, databaseFile + "-wal"} {
		info, err := os.Stat(filepath.Join(h.config.Data, name))
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return 0, err
		}
		size += info.Size()
	}
	return size, nil
}

func writeAddresses(data string, a Addresses) error {
	if err := writeFile(filepath.Join(data, runFile), a); err != nil {
		return fmt.Errorf("write addresses: %w", err)
	}
	return nil
}

// writeFile puts a file in place whole or not at all.
func writeFile(path string, content any) error {
	text, err := json.Marshal(content)
	if err != nil {
		return err
	}
	if err := os.WriteFile(path+".new", append(text, '\n'), 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}
