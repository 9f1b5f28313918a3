package sqlite

import (
	"os"

	"greyglass/sqlstore/backend"
)

func (s *Store) Numbers() backend.Numbers {
	n := s.writer.counters.Read()
	n.Queued = len(s.writer.Jobs)
	current := s.writer.current.Load()
	n.Unavailable = current.err != nil
	if current.db != nil {
		n.DatabaseBytes, n.LogBytes = sizeOf(current.db.path), sizeOf(walOf(current.db.path))
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
