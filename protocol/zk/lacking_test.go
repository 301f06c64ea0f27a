package zk

import (
	"errors"
	"testing"
)

// A list that is shorter than the terminal's own count is not taken for whole.
func TestLacking(t *testing.T) {
	for _, row := range []struct {
		name          string
		sizes         Sizes
		rows, counted int
		want          error
	}{
		{"as many as counted", Sizes{Known: true}, 5, 5, nil},
		{"more than counted: somebody was added", Sizes{Known: true}, 6, 5, nil},
		{"fewer than counted", Sizes{Known: true}, 4, 5, ErrUnproven},
		{"none where some are counted", Sizes{Known: true}, 0, 5, ErrUnproven},
		{"nothing counted", Sizes{}, 4, 0, nil},
	} {
		t.Run(row.name, func(t *testing.T) {
			if err := lacking(row.sizes, row.rows, row.counted); !errors.Is(err, row.want) || (err == nil) != (row.want == nil) {
				t.Errorf("lacking(%d rows, %d counted) = %v, want %v", row.rows, row.counted, err, row.want)
			}
		})
	}
}
