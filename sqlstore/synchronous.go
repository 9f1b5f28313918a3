package sqlstore

import (
	"fmt"

	"greyglass/greylist"
)

// The values of [Options] Synchronous (sqlite.org/pragma.html#pragma_synchronous).
const (
	Full   = "full"   // before it is acknowledged: a power cut loses nothing
	Normal = "normal" // within a second or so: a power cut may lose that
)

// checkSynchronous returns the value, or what an empty one stands for.
func checkSynchronous(value string) (string, error) {
	switch value {
	case "":
		return Full, nil
	case Full, Normal:
		return value, nil
	}
	return "", fmt.Errorf("sqlstore: synchronous %q is neither %s nor %s", value, Full, Normal)
}

// SetSynchronous changes [Options] Synchronous of a store that [Open] has
// opened, from the next commit on. A store that is no SQLite file has no such thing.
func SetSynchronous(opened greylist.Store, value string) error {
	value, err := checkSynchronous(value)
	if err != nil {
		return err
	}
	if s, ok := opened.(*store); ok {
		s.writer.durable.Store(value == Full)
	}
	return nil
}
