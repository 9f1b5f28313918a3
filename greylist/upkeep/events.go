package upkeep

// The logged events.
const (
	eventExpired        = "expired entries removed"
	eventExpiryFailed   = "expiry failed; trying again soon"
	eventNearLimit      = "store.max_rows nearly reached; at the limit, the newest waiting triplets of the networks that hold most are removed"
	eventTrimmed        = "store.max_rows reached; removed the newest waiting triplets of the networks that hold most"
	eventAllPassed      = "store.max_rows exceeded, and nearly all triplets have passed; raise it"
	eventLimitFailed    = "cannot keep the triplets below store.max_rows; trying again soon"
	eventExpectedFailed = "cannot read what mail is expected; keeping what is known"
	eventAdmin          = "admin"
	eventCommandsFailed = "cannot read which commands were run; trying again"
	eventSearchFailed   = "cannot prepare searches, so they take longer; trying again"
	eventHistoryFailed  = "cannot write the history; keeping the counts and trying again"
)
