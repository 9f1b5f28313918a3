package milter

// The logged events.
const (
	eventPanic   = "panic in a milter session; this is a bug, please report it"
	eventLibrary = "milter library"
)
