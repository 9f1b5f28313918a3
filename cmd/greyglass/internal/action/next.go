package action

import (
	"fmt"

	"greyglass/greylist"
	"greyglass/greylist/judge"
)

// Accepted is what follows for a triplet that passes.
const Accepted = "accepted at the sender's next attempt"

// Next says in words what is answered to the next attempt of a triplet, as the rules explain it,
// and whether nothing but the greylist, or a rule that accepts, decides that. known reports whether
// the explanation has all of the client that rules ask for; err is why there is no explanation.
func Next(x judge.Explanation, known bool, err error) (words string, expected bool) {
	answer := x.Answer
	why := string(answer.Reason)
	if n := len(x.Steps); n > 0 && !x.Greylisted {
		why += ": " + x.Steps[n-1].Says
	}
	switch {
	case err != nil:
		return fmt.Sprintf("the rules cannot be asked, and as long as that fails the sender's next attempt will be %s (store.on_error): %v",
			answer.Verdict.InWords(), err), false
	case answer.Observed:
		return Accepted + " in any case: greylisting only observes", true
	case x.Greylisted && answer.Verdict == greylist.Accept:
		return Accepted, true
	case x.Greylisted && answer.Wait > 0:
		return fmt.Sprintf("deferred at the sender's next attempt; a retry passes %s later", greylist.WaitInWords(answer.Wait)), true
	case answer.Verdict == greylist.Accept:
		return fmt.Sprintf("%s in any case (%s)", Accepted, why), true
	case !known:
		return fmt.Sprintf("the sender's next attempt may be %s all the same (%s): that depends on the names of the client, which are not known here",
			answer.Verdict.InWords(), why), false
	}
	return fmt.Sprintf("the sender's next attempt will be %s all the same (%s)", answer.Verdict.InWords(), why), false
}
