package main

// The logged events. Warnings about the configuration are logged as they are.
const (
	eventListening         = "listening"
	eventStarted           = "started"
	eventStopping          = "stopping"
	eventStopped           = "stopped"
	eventShutdownTimeout   = "shutdown timed out; closed the remaining connections"
	eventRoot              = "running as root; run the daemon as a user of its own"
	eventNoListeners       = "no listeners configured: listen.milter and listen.policy are empty"
	eventUnusedSocket      = "systemd passed a socket that [listen] does not name; connections to it get no answer; change the socket unit or the configuration"
	eventHTTPFailed        = "the http server failed; metrics and health are unavailable"
	eventWebNotListening   = "cannot listen for the web page; it is unavailable; trying again"
	eventWebFailed         = "the web page failed; it is unavailable"
	eventReloaded          = "configuration reloaded"
	eventReloadFailed      = "reload failed; keeping the current configuration"
	eventNeedsRestart      = "changed; takes effect at a restart"
	eventSynchronousFailed = "cannot change store.synchronous; keeping the current value"
	eventListReloaded      = "list reloaded"
	eventListFailed        = "cannot read the list; keeping the previous one"
	eventListsFailed       = "cannot apply the lists; keeping the previous ones"
	eventLogRecovered      = "log can be written again; lines were dropped meanwhile"
	eventNotifyFailed      = "sd_notify failed"
	eventNoWatchdog        = "cannot read WATCHDOG_USEC; the watchdog gets no keep-alive"
	eventSocketSilent      = "a socket does not answer; if that lasts, systemd restarts the daemon"
)
