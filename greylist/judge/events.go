package judge

// The logged events.
const (
	eventDecision   = "decision"
	eventFailing    = "database failing, answering by on_error"
	eventOtherCause = "database still failing, for another reason"
	eventRecovered  = "database works again"
	eventPanic      = "panic while judging; this is a bug, please report it"
)
