package policyd

// The logged events.
const (
	eventPanic           = "panic in a policy session; this is a bug, please report it"
	eventTooManyMessages = "too many messages wait for DATA; forgetting the oldest, of which those with several recipients are answered by on_error"
)
