package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/bkpsdmd-babel/sidik/hub"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/mqtt"
	"github.com/bkpsdmd-babel/sidik/protocol/phrase"
)

// watch shows what travels, one line a message.
func (o *operator) watch() *cobra.Command {
	var site, kind string
	var brokers []string
	cmd := &cobra.Command{
		Use:   "watch",
		Short: o.say("watch-short", nil),
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if len(brokers) == 0 {
				a, err := hub.Running(o.data)
				if err != nil {
					return err
				}
				brokers = a.Brokers
			}
			err := mqtt.Run(cmd.Context(), mqtt.Options{
				Brokers:   brokers,
				ClientID:  "sidik-watch-" + protocol.NewID(),
				Subscribe: []string{protocol.TopicAll},
				OnTrouble: func(err error) {
					if err != nil {
						fmt.Fprintln(cmd.ErrOrStderr(), err)
					}
				},
				Logger: logger(io.Discard, 0),
			}, func(ctx context.Context, conn *mqtt.Conn) error {
				for {
					select {
					case <-ctx.Done():
						return nil
					case m, open := <-conn.Messages():
						if !open {
							return nil
						}
						show(cmd.OutOrStdout(), m, protocol.SiteID(site), protocol.Kind(kind))
					}
				}
			})
			if errors.Is(err, context.Canceled) {
				return nil
			}
			return err
		},
	}
	cmd.Flags().StringVar(&site, "site", "", o.say("flag-site", nil))
	cmd.Flags().StringVar(&kind, "kind", "", o.say("flag-kind", nil))
	cmd.Flags().StringSliceVar(&brokers, "broker", nil, o.say("flag-broker", nil))
	return cmd
}

// show prints one message decoded. Signatures are not checked here: what is
// seen is what travels, not what is believed.
func show(w io.Writer, m mqtt.Message, site protocol.SiteID, kind protocol.Kind) {
	topic, err := protocol.ParseTopic(m.Topic)
	if err == nil && (site != "" && topic.Site != site || kind != "" && topic.Kind != kind) {
		return
	}
	kept := " "
	if m.Retained {
		kept = "r"
	}
	line := fmt.Sprintf("%s %s %-40s %6d B", time.Now().Format("15:04:05.000"), kept, m.Topic, len(m.Payload))
	if len(m.Payload) == 0 {
		fmt.Fprintln(w, line, " cleared")
		return
	}
	e, err := protocol.Parse(m.Topic, m.Payload)
	if err != nil {
		fmt.Fprintln(w, line, " ", err)
		return
	}
	fmt.Fprintln(w, line, " ", phrase.Plain(summary(e)))
}

// summary says the gist of a message in one line.
func summary(e protocol.Envelope) string {
	switch e.Kind {
	case protocol.KindPunches:
		var s protocol.Segment
		if e.Into(&s) == nil {
			last := s.Records[len(s.Records)-1]
			return fmt.Sprintf("epoch %s %d–%d, newest PIN %s at %s of %s", s.Epoch.Short(), s.First, s.Last, last.PIN, last.Time, last.Serial)
		}
	case protocol.KindReceipt:
		var r protocol.Receipt
		if e.Into(&r) == nil {
			text := e.Seq.String()
			for _, epoch := range r.Epochs {
				text += fmt.Sprintf(", epoch %s through %d", epoch.Epoch.Short(), epoch.Through)
				if epoch.Fork > 0 {
					text += fmt.Sprintf(" FORK at %d", epoch.Fork)
				}
			}
			return text
		}
	case protocol.KindState:
		var s protocol.State
		if e.Into(&s) == nil {
			text := fmt.Sprintf("%s %s, backlog %d, clock %s", e.Seq, s.Status, s.Backlog.Punches, s.Clock)
			for _, c := range s.Conditions {
				text += fmt.Sprintf(", %s %s", c.Code, c.Subject)
			}
			return text
		}
	case protocol.KindConfig:
		var c protocol.Config
		if e.Into(&c) == nil {
			return fmt.Sprintf("%s, settings of %d bytes", e.Seq, len(c.Settings))
		}
	case protocol.KindHub:
		var h protocol.Hub
		if e.Into(&h) == nil {
			return fmt.Sprintf("%s %s, generation %d", e.Seq, h.Status, h.Generation.Number)
		}
	case protocol.KindKeys:
		var k protocol.KeyList
		if e.Into(&k) == nil {
			return fmt.Sprintf("%d signing keys", len(k.Signing))
		}
	}
	return "body is not understood"
}
