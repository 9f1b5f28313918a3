package postgres

import "greyglass/sqlstore/backend"

func (s *Store) Numbers() backend.Numbers {
	n := s.counters.Read()
	n.Queued = len(s.worker.Jobs)
	n.Away = s.link.away.Load() != nil
	return n
}
