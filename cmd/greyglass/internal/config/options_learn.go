package config

import (
	"fmt"
	"time"

	"greyglass/greylist"
)

const provenAfterKey = "learn.proven_after"

var learnSection = Section{
	Name: "learn",
	Doc:  "What is learned from the mail that passes.",
	Options: []Option{
		{
			Key:     provenAfterKey,
			Default: 0,
			Kind:    number{0, 10_000},
			Comment: "A client of which so many different triplets have passed is accepted at once;\n0: none is.",
			Doc: "A client of which so many different triplets have passed the greylist within `greylist.max_grey` is proven: its mail is accepted at once, with the reason `proven-client`, unless a `[[rule]]` says `greylist`. 0, the default, turns this off. " +
				"At most one triplet an hour counts for a client, so that one burst of mail proves nothing. The client is what triplets have: the address, cut to the prefix, or another identity. " +
				"It stays proven while it goes on sending, and is forgotten when it has sent nothing for `max_grey`. The count begins again if `max_grey` is over before the client is proven. " +
				"A triplet that has to wait again, because its own `max_grey` was over, counts again when it passes: its earlier pass does not count any more. What a rule with a shorter `max_grey` greylists does not count, nor what passes in the mode `observe`, where nothing waits, or by `greyglass pass`. " +
				"`greyglass list --clients` shows the clients, and `greyglass forget --client` forgets one.",
		},
	},
}

// Learn is what is learned from the mail that passes.
type Learn struct {
	ProvenAfter int `koanf:"proven_after"` // triplets; 0: no client is ever proven
}

// proving says which clients are proven.
func (c *Config) proving() greylist.Proving {
	return greylist.Proving{After: int64(c.Learn.ProvenAfter), MaxGrey: c.Greylist.Windows().MaxGrey}
}

// checkProving finds a number of triplets that cannot be reached, since one an hour counts.
func (m merged) checkProving(problems *Problems) {
	p := m.config.proving()
	if needed := (p.After - 1) * greylist.Hour; needed > p.MaxGrey && !problems.about(provenAfterKey) && !problems.about("greylist.max_grey") {
		problems.add(Problem{m.origins[provenAfterKey].String(), provenAfterKey, fmt.Sprint(p.After),
			fmt.Sprintf("takes %s, since one triplet an hour counts, and greylist.max_grey is %s", spell(time.Duration(needed)*time.Second), spell(m.config.Greylist.MaxGrey)),
			"lower it, or raise greylist.max_grey"})
	}
}
