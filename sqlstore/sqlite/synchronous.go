package sqlite

import (
	"fmt"

	"greyglass/greylist"
	"greyglass/sqlstore/backend"
)

// checkSynchronous returns the value, or the default.
func checkSynchronous(value string) (string, error) {
	switch value {
	case "":
		return backend.Full, nil
	case backend.Full, backend.Normal:
		return value, nil
	}
	return "", fmt.Errorf("synchronous %q is neither %s nor %s", value, backend.Full, backend.Normal)
}

// SetSynchronous changes Synchronous of an open SQLite store, from the next commit on; it
// does nothing for other stores.
func SetSynchronous(opened greylist.Store, value string) error {
	value, err := checkSynchronous(value)
	if err != nil {
		return err
	}
	if s, ok := opened.(*Store); ok {
		s.writer.synchronous.Store(&value)
	}
	return nil
}
