package postgres

// The logged events.
const (
	eventClocksDiffer = "this machine's clock and the database server's differ; deciding by the server's"
	eventClocksAgree  = "the clock agrees with the database server's again"
)
