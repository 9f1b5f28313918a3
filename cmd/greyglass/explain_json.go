package main

import (
	"greyglass/greylist"
	"greyglass/greylist/address"
	"greyglass/greylist/judge"
)

// explainedJSON is what 'explain --json' prints.
type explainedJSON struct {
	Time      int64            `json:"time"`
	Verdict   greylist.Verdict `json:"verdict"`
	Reason    greylist.Reason  `json:"reason"`
	Reply     *string          `json:"reply"`
	Wait      *int64           `json:"wait"`     // seconds until a retry can pass
	RetryAt   *int64           `json:"retry_at"` // when that is
	Rule      string           `json:"rule,omitempty"`
	Client    string           `json:"client"`
	Helo      string           `json:"helo"`
	Sender    string           `json:"sender"`
	Recipient string           `json:"recipient"`
	Code      string           `json:"code,omitempty"`
	Observed  bool             `json:"observed"` // greylist.mode only observes, and so accepts

	Steps []stepJSON `json:"steps"`

	// Unless a rule has answered: the client as it is remembered, and the triplet, null if
	// it has not been seen.
	Greylisted bool        `json:"greylisted"`
	Identity   *string     `json:"identity"`
	Triplet    *recordJSON `json:"triplet"`
	AtData     bool        `json:"at_data"`
	Error      string      `json:"error,omitempty"`
}

// stepJSON is a rule that was asked.
type stepJSON struct {
	Rule    string `json:"rule"`
	Says    string `json:"says"`
	Answers bool   `json:"answers"`
}

func explained(x judge.Explanation, policy *judge.Policy, attempt greylist.Attempt, now int64) explainedJSON {
	a := x.Answer
	e := explainedJSON{Time: now, Verdict: a.Verdict, Reason: a.Reason, Wait: orNull(a.Wait), Rule: a.Rule,
		Client: attempt.Client.String(), Helo: attempt.Helo, Sender: address.Fold(attempt.Sender), Recipient: address.Fold(attempt.Recipient),
		Code: a.Code, Observed: a.Observed, Steps: []stepJSON{}, Greylisted: x.Greylisted, AtData: x.AtData}
	if a.Verdict != greylist.Accept {
		e.Reply = orNull(a.Reply.String())
	}
	if a.Wait > 0 {
		e.RetryAt = orNull(now + a.Wait)
	}
	for _, s := range x.Steps {
		e.Steps = append(e.Steps, stepJSON{s.Rule, s.Says, s.Ruling != nil})
	}
	if x.Greylisted {
		e.Identity = orNull(x.Triplet.Client)
	}
	if x.Greylisted && x.Remembered != nil {
		record := (&lister{policy: policy, now: now}).recordAsJSON(greylist.Record{Triplet: x.Triplet, Entry: *x.Remembered})
		e.Triplet = &record
	}
	if a.Err != nil {
		e.Error = a.Err.Error()
	}
	return e
}
