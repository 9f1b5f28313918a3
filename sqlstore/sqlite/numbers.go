package sqlite

import (
	"os"

	"greyglass/sqlstore/backend"
)

func (s *Store) Numbers() backend.Numbers {
	n := s.writer.counters.Read()
	n.Queued = len(s.writer.Jobs)
	now := s.writer.now.Load()
	n.Unavailable = now.err != nil
	if now.db != nil {
		n.DatabaseBytes, n.LogBytes = sizeOf(now.db.path), sizeOf(walOf(now.db.path))
	}
	return n
}

func sizeOf(file string) int64 {
	info, err := os.Stat(file)
	if err != nil {
		return 0
	}
	return info.Size()
}
