package dispatch

import "time"

// Burst is what a site may ask for at once.
const Burst = burst

// Bucket is the tokens of one site.
type Bucket = bucket

// NewBucket returns a full one.
func NewBucket(at time.Time) *Bucket { return &bucket{tokens: burst, at: at} }

// Draw takes up to n tokens out.
func (b *Bucket) Draw(now time.Time, n int) int { return b.draw(now, n) }
