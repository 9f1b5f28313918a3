package mtatest_test

import (
	"log/slog"
	"testing"

	"greyglass/milter"
	"greyglass/milter/mtatest"
	"greyglass/milter/policyd"
)

func milterServer(f *mtatest.Fixture) mtatest.Server {
	return milter.NewServer(f.Judge, f.Limiter, slog.New(f.Log))
}

func policyServer(f *mtatest.Fixture) mtatest.Server {
	return policyd.New(f.Judge, f.Limiter, slog.New(f.Log))
}

func newMilter(t testing.TB, changes ...func(*mtatest.Setup)) *mtatest.Fixture {
	t.Helper()
	return mtatest.New(t, "milter", milterServer, changes...).OnSocket(t)
}

func newPolicy(t testing.TB, changes ...func(*mtatest.Setup)) *mtatest.Fixture {
	t.Helper()
	return buildPolicy(t, changes...).OnSocket(t)
}

func buildPolicy(t testing.TB, changes ...func(*mtatest.Setup)) *mtatest.Fixture {
	t.Helper()
	return mtatest.New(t, "policy", policyServer, changes...)
}
