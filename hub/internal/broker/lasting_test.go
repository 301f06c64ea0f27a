package broker

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
)

func TestOnlyWhatLastsIsTrouble(t *testing.T) {
	bad := errors.New("failed to be ready for connections after 1ms")
	for name, row := range map[string]struct {
		failing int // looks in a row
		want    error
	}{
		"well":                              {0, nil},
		"a busy machine missed one look":    {1, nil},
		"a busy machine missed all but one": {looks - 1, nil},
		"wrong at every look":               {looks, bad},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := 0
				err := lasting(t.Context(), func() error {
					if n++; n <= row.failing {
						return bad
					}
					return nil
				})
				if !errors.Is(err, row.want) {
					t.Errorf("trouble %v, want %v", err, row.want)
				}
			})
		})
	}
	t.Run("the end of the broker interrupts it", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := lasting(ctx, func() error { return bad }); !errors.Is(err, context.Canceled) {
			t.Errorf("trouble %v, want canceled", err)
		}
	})
}
