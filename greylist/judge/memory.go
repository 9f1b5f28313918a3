package judge

import (
	"context"

	"greyglass/greylist"
	"greyglass/greylist/rules"
	"greyglass/greylist/timeout"
)

// memory is the judge's memory as rules look into it: within the policy's timeout.
type memory Judge

func (m *memory) within(ctx context.Context) *timeout.Context {
	return timeout.With(ctx, m.policy.Load().Timeout)
}

// Client looks a client up.
func (m *memory) Client(ctx context.Context, client string) (*greylist.ClientEntry, error) {
	limited := m.within(ctx)
	defer limited.End()
	return m.memory.Client(limited, client)
}

// Correspondent looks a correspondent up.
func (m *memory) Correspondent(ctx context.Context, who greylist.Correspondent) (*greylist.CorrespondentEntry, error) {
	limited := m.within(ctx)
	defer limited.End()
	return m.memory.Correspondent(limited, who)
}

// Expected returns what is expected, as [Judge.Expect] has set it.
func (m *memory) Expected(context.Context) (*rules.Expected, error) { return m.expected.Load(), nil }

// UseExpected marks an expectation as used.
func (m *memory) UseExpected(ctx context.Context, e greylist.Expectation) (bool, error) {
	limited := m.within(ctx)
	defer limited.End()
	return m.memory.UseExpected(limited, e, m.now())
}
