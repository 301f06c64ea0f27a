package hub

import (
	"context"

	"github.com/bkpsdmd-babel/sidik/hub/internal/dispatch"
	"github.com/bkpsdmd-babel/sidik/hub/internal/release"
	"github.com/bkpsdmd-babel/sidik/hub/internal/settings"
	"github.com/bkpsdmd-babel/sidik/protocol"
)

// documents are the small retained messages that sites are to have.
func documents(s *settings.Settings, releases *release.Releases) func(ctx context.Context) ([]dispatch.Document, error) {
	return func(ctx context.Context) (list []dispatch.Document, err error) {
		set, err := s.Current(ctx)
		if err != nil {
			return nil, err
		}
		for _, r := range set {
			if r.To != "" { // nobody is there yet to whom it could be said
				list = append(list, dispatch.Document{Site: r.Site, Kind: protocol.KindConfig, To: r.To, Order: r.Order, Body: protocol.Config{Settings: r.Text}})
			}
		}
		orders, err := releases.Orders(ctx)
		if err != nil {
			return nil, err
		}
		for _, o := range orders {
			if o.To != "" && !o.Paused {
				list = append(list, dispatch.Document{Site: o.Site, Kind: protocol.KindRelease, To: o.To, Order: o.Seq, Body: o.Body()})
			}
		}
		return list, nil
	}
}
