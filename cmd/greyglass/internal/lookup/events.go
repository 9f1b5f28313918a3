package lookup

// The logged events.
const (
	eventFailing   = "DNS fails; rules that ask it do not match"
	eventRecovered = "DNS works again"
)
