package deferred

// One of these is logged once a message.
const (
	eventTooMany         = "recipient limit reached: the message has more recipients that are deferred to DATA; refusing further ones for now"
	eventTooManyObserved = "recipient limit reached: the message has more recipients that are deferred to DATA; judging further ones at once"
)
