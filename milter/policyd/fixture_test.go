package policyd

import (
	"log/slog"
	"testing"

	"greyglass/milter/mtatest"
)

// newFixture serves policy requests on a unix socket, onPipes on pipes.
func newFixture(t testing.TB, changes ...func(*mtatest.Setup)) *mtatest.Fixture {
	t.Helper()
	return build(t, changes...).OnSocket(t)
}

func onPipes(t testing.TB, changes ...func(*mtatest.Setup)) *mtatest.Fixture {
	t.Helper()
	return build(t, changes...).OnPipes(t)
}

func build(t testing.TB, changes ...func(*mtatest.Setup)) *mtatest.Fixture {
	t.Helper()
	return mtatest.New(t, "policy", func(f *mtatest.Fixture) mtatest.Server {
		s := New(f.Judge, f.Limiter, slog.New(f.Log))
		s.messages.now, s.ordinary.now = f.Clock.Now, f.Clock.Now
		return s
	}, changes...)
}
