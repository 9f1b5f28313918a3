package judge

import (
	"sync"

	"greyglass/greylist/rules"
)

// lastIdentities has the identities, by provider or name, that the clients at an address
// had last, for attempts at which DNS does not tell. It is safe for concurrent use.
type lastIdentities struct {
	mu           sync.Mutex
	young, older map[string]string // by address, cut to its prefix; the older are dropped when many are young
}

// maxYoung bounds the identities, which take some 4 MB then.
const maxYoung = 1 << 14

// with adds the last identity of the client's address to the others of an attempt if its
// own does not tell more than the address, and else notes its own. l may be nil.
func (l *lastIdentities) with(others []string, f *rules.Facts, own, address string) []string {
	if l == nil {
		return others
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	last, known := l.young[address]
	if !known {
		last = l.older[address]
	}
	switch spf, _ := f.KnownSPF(); {
	case own == address || spf.Result == rules.SPFTempError:
		if last != "" {
			others = append(others, last)
		}
	case last != own || !known:
		if len(l.young) >= maxYoung {
			l.older, l.young = l.young, nil
		}
		if l.young == nil {
			l.young = make(map[string]string)
		}
		l.young[address] = own
	}
	return others
}
