package milter

import (
	"log/slog"
	"testing"

	"greyglass/milter/mtatest"
)

// newFixture serves a milter on a unix socket, onPipes on pipes.
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
	return mtatest.New(t, "milter", func(f *mtatest.Fixture) mtatest.Server {
		return NewServer(f.Judge, f.Limiter, slog.New(f.Log))
	}, changes...)
}
