package chaos

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"
)

// injector makes the faults, in three lanes that run side by side, each by a
// schedule of its own from the seed: those of the process and its clock, those of
// the disk, and the changes that administrators make.
type injector struct {
	*checker
	places  *places
	people  *population
	mounted bool // there is a disk of our own

	// files is held for writing while the database is copied or mounted again,
	// and for reading by whoever else opens it; holder by who holds a lock on it.
	files  sync.RWMutex
	holder sync.Mutex
	// config is held by who changes the configuration or the lists, and by who
	// starts the daemon, which reads them.
	config sync.Mutex
}

// deed is something that a lane does.
type deed struct {
	weight int
	do     func(i *injector, r *rand.Rand)
}

// run injects until the context ends; no fault is left then.
func (i *injector) run(ctx context.Context, seed int64) {
	var lanes sync.WaitGroup
	for n, lane := range []struct {
		deeds          []deed
		least, further time.Duration // between two deeds
	}{
		{processDeeds, 300 * time.Millisecond, 2 * time.Second},
		{diskDeeds, 500 * time.Millisecond, 5 * time.Second},
		{changeDeeds, 10 * time.Millisecond, 300 * time.Millisecond},
	} {
		r := rand.New(rand.NewPCG(uint64(seed), uint64(100+n)))
		lanes.Go(func() {
			for {
				pause(ctx, lane.least+time.Duration(r.Int64N(int64(lane.further))))
				if ctx.Err() != nil {
					return
				}
				choose(lane.deeds, r).do(i, rand.New(rand.NewPCG(r.Uint64(), 0)))
			}
		})
	}
	lanes.Wait()
}

func choose(deeds []deed, r *rand.Rand) deed {
	sum := 0
	for _, d := range deeds {
		sum += d.weight
	}
	n := r.IntN(sum)
	for _, d := range deeds {
		if n -= d.weight; n < 0 {
			return d
		}
	}
	panic("unreachable")
}
