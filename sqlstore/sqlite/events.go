package sqlite

// The logged events.
const (
	eventQuarantined      = "the database is corrupt; quarantined it and going on with an empty one"
	eventChecking         = "reading through the database"
	eventChecked          = "read through the database"
	eventWhole            = "the database is whole after all; using it again"
	eventGone             = "the database file is gone; created an empty database"
	eventReplaced         = "the database file was replaced; using the one that is there now"
	eventLogCut           = "the write-ahead log was cut short by another program; the changes of the last second may be lost"
	eventReopened         = "the -wal or -shm file of the database was deleted or cut short by another program; reopened the database"
	eventCheckpointFails  = "cannot copy the write-ahead log into the database, so it grows"
	eventCheckpointsAgain = "the write-ahead log is copied into the database again"
)
