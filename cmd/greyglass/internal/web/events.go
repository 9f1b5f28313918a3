package web

// The logged events.
const (
	// eventAdmin says who changed what; commands log it, too.
	eventAdmin = "admin"

	eventLogin             = "web login"
	eventLoginFailed       = "web login failed"
	eventUsersFailed       = "cannot read web.users_file; logins are refused until it can be read"
	eventUsersRecovered    = "web.users_file can be read again"
	eventCertificateFailed = "cannot read the renewed web.certificate; keeping the previous one"
	eventNoCertificate     = "cannot read web.certificate; the web page is unavailable until it can be read"
	eventCertificateRead   = "web.certificate was read again"
	eventDatabaseFailed    = "the web page cannot read or change the database; trying again at the next request"
	eventPanic             = "panic in the web page; this is a bug, please report it"
)
