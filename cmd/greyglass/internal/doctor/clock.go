package doctor

import (
	"context"
	"os"
	"time"
)

// built is a time before this program was written.
var built = time.Date(2026, time.January, 1, 0, 0, 0, 0, time.UTC)

// clockSlack is how much later than now a stored time may be.
const clockSlack = time.Minute

// checkClock checks whether the clock can be right.
func checkClock(_ context.Context, v *exam) {
	const fix = "set it, and keep it right by systemd-timesyncd, chrony or ntpd"
	now := v.Machine.Now().UTC()
	inWords := now.Format(time.DateTime) + " UTC"
	ahead := time.Unix(v.newestTime, 0).Sub(now)
	// systemd-timesyncd(8) creates the folder when it runs, the file when the clock is right.
	_, err := os.Stat(v.Machine.path("/run/systemd/timesync/synchronized"))
	synchronized := err == nil
	_, err = os.Stat(v.Machine.path("/run/systemd/timesync"))
	synchronizes := err == nil
	switch {
	case now.Before(built):
		v.wrong(fix, "says %s, before this program was written", inWords)
	case v.newestTime > 0 && ahead > clockSlack && synchronized:
		v.warn("nothing needs to be done: such a time counts as now when it is met", "is right (%s), but was ahead once: the database has a time that is %v later", inWords, ahead.Round(time.Second))
	case v.newestTime > 0 && ahead > clockSlack:
		v.wrong(fix+"; if it is right now and was ahead before, nothing needs to be done: such a time counts as now when it is met",
			"says %s, but the database has a time that is %v later", inWords, ahead.Round(time.Second))
	case synchronizes && !synchronized:
		v.warn("see what 'timedatectl timesync-status' says", "says %s, but systemd-timesyncd has not compared it with any other yet", inWords)
	default:
		v.ok("says %s", inWords)
	}
}
