package rules

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"greyglass/greylist"
	"greyglass/greylist/address"
)

// Expecting is how facts find out whether mail is expected.
type Expecting interface {
	Expected(ctx context.Context) (*Expected, error)

	// UseExpected marks an expectation for one recipient as used, and reports whether it
	// did.
	UseExpected(ctx context.Context, e greylist.Expectation) (bool, error)
}

// Expected are expectations, made ready for looking up. It is immutable.
type Expected struct {
	all []greylist.Expectation
	of  map[string][]expectation // by recipient
}

type expectation struct {
	greylist.Expectation
	senders address.Patterns
}

// NewExpected makes expectations ready. Of those whose sender is no pattern, none is
// written by this program, and they are left out.
func NewExpected(all []greylist.Expectation) *Expected {
	x := &Expected{all: all, of: make(map[string][]expectation)}
	for _, e := range all {
		senders, err := address.ParsePatterns(address.Senders, e.Sender)
		if err == nil {
			x.of[e.Recipient] = append(x.of[e.Recipient], expectation{e, senders})
		}
	}
	return x
}

// Same reports whether it is made of these expectations.
func (x *Expected) Same(all []greylist.Expectation) bool { return slices.Equal(x.all, all) }

// ExpectedMail is the name of the rule of expectations.
const ExpectedMail = "expected mail"

// expectedMail is the rule that comes before the ordered rules. An expectation for one
// recipient is only noted: mail that is accepted anyway does not use it, see
// [Facts.UseExpected].
func expectedMail(ctx context.Context, f *Facts) (*Ruling, string, error) {
	if f.Expecting == nil {
		return nil, notExpected, nil
	}
	x, err := f.Expecting.Expected(ctx)
	if err != nil {
		return nil, "", err
	}
	now := f.Now()
	var others []string
	for _, e := range x.of[f.Recipient] {
		_, matches := e.senders.Match(f.Sender)
		switch {
		case !e.Open(now):
			continue
		case !matches:
			others = append(others, e.Sender)
			continue
		}
		if e.Once {
			f.Once = append(f.Once, e.Expectation)
			continue
		}
		return &Ruling{Verdict: greylist.Accept, Reason: greylist.ReasonExpected, Because: inWords(e.Expectation)}, "", nil
	}
	if len(f.Once) > 0 {
		return nil, inWords(f.Once[0]) + ", if nothing else accepts it", nil
	}
	if len(others) > 0 {
		return nil, "mail to the recipient is expected from " + strings.Join(others, ", ") + " only", nil
	}
	return nil, notExpected, nil
}

// UseExpected is for mail that no rule and not the greylist accepts: it marks one of
// [Facts.Once] as used, and returns the ruling; nil if there is none, or others were faster.
func (f *Facts) UseExpected(ctx context.Context) (*Ruling, error) {
	for _, e := range f.Once {
		used, err := f.Expecting.UseExpected(ctx, e)
		if err != nil {
			return nil, err
		}
		if used {
			return &Ruling{Verdict: greylist.Accept, Reason: greylist.ReasonExpected, Because: inWords(e)}, nil
		}
	}
	return nil, nil
}

const notExpected = "no mail to the recipient is expected"

func inWords(e greylist.Expectation) string {
	from, times := "", ""
	if e.Sender != "*" {
		from = " from " + e.Sender
	}
	if e.Once {
		times = ", once"
	}
	return fmt.Sprintf("mail to the recipient%s is expected until %s%s", from, inUTC(e.Until), times)
}
