package judge

import (
	"fmt"
	"time"

	"greyglass/greylist"
)

// HeaderField is the name of the header field that says of an accepted message how
// long it waited, or which rule accepted it.
const HeaderField = "X-Greylist"

// Header returns the text of the field for a message; empty if it gets none. The
// answer is the most telling one, see [MoreTelling].
func (j *Judge) Header(a Answer) string {
	if !j.Policy().Header || a.Verdict != greylist.Accept {
		return ""
	}
	what := ""
	switch {
	case a.Delayed > 0:
		what = fmt.Sprintf("delayed %d seconds", a.Delayed)
	case a.byRule():
		what = fmt.Sprintf("not delayed (%s)", a.Reason)
	default:
		return ""
	}
	return fmt.Sprintf("%s by %s; %s", what, j.By, time.Unix(j.now(), 0).Format(time.RFC1123Z))
}
