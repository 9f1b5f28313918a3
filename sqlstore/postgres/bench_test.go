package postgres

import (
	"testing"

	"greyglass/greylist"
	"greyglass/sqlstore/storetest"
)

func BenchmarkUpdate(b *testing.B) {
	c := startCluster(b)
	storetest.Bench(b, func(b *testing.B) greylist.Store { return openShared(b, c.schema(b)) })
}
