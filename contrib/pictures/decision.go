// Package pictures draws the pictures of the pages, as SVG that follows the reader's light
// or dark theme.
package pictures

import (
	"fmt"
	"text/template"
	"time"

	"greyglass/greylist"
)

// step is a rule, with its reasons and what it can answer.
type step struct {
	Name    string
	Reasons []greylist.Reason
	Answers []string
}

// steps are the rules, in their order.
var steps = []step{
	{"the client is this machine", []greylist.Reason{greylist.ReasonLocal}, []string{"accept"}},
	{"the sender is blocked; the recipient is an exception", []greylist.Reason{greylist.ReasonException}, []string{"accept"}},
	{"the sender is blocked", []greylist.Reason{greylist.ReasonBlocked}, []string{"defer", "deny"}},
	{"the client has logged in, or is one of yours", []greylist.Reason{greylist.ReasonAuthenticated, greylist.ReasonAllowedClient}, []string{"accept"}},
	{"the recipient's domain is not one of yours", []greylist.Reason{greylist.ReasonForeignDomain}, []string{"accept", "defer", "deny"}},
	{"a triple of the whitelists", []greylist.Reason{greylist.ReasonWhitelistedTriple, greylist.ReasonWhitelistedNonstandard}, []string{"accept"}},
	{"the recipient expects the mail", []greylist.Reason{greylist.ReasonExpected}, []string{"accept"}},
	{"the first [[rule]] that holds, unless it says greylist", []greylist.Reason{"rule:NAME"}, []string{"accept", "defer", "deny"}},
	{"a reply to your user, or a proven client", []greylist.Reason{greylist.ReasonCorrespondent, greylist.ReasonProvenClient}, []string{"accept"}},
}

// phase is what the greylist answers to a triplet from an age on.
type phase struct {
	From    string
	Verdict greylist.Verdict
	Reason  greylist.Reason
}

// phases asks the greylist about an entry at each age.
func phases(w greylist.Windows, entry *greylist.Entry, ages ...int64) (all []phase) {
	for _, age := range ages {
		d := w.Decide(entry, begin+age)
		all = append(all, phase{inWords(age), d.Verdict, d.Reason})
	}
	return all
}

const begin = 1_700_000_000 // Unix seconds; any time does

func inWords(seconds int64) string {
	switch d := time.Duration(seconds) * time.Second; {
	case d == 0:
		return "0"
	case d < time.Hour:
		return fmt.Sprintf("%d min", d/time.Minute)
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h", (d+time.Hour/2)/time.Hour)
	default:
		return fmt.Sprintf("%d d", (d+12*time.Hour)/(24*time.Hour))
	}
}

// row is what the greylist answers to a triplet in a state.
type row struct {
	Name   string
	Phases []phase
}

// Decision draws how a recipient is judged.
func Decision(w greylist.Windows) ([]byte, error) {
	waiting := &greylist.Entry{FirstSeen: begin, LastSeen: begin}
	passed := &greylist.Entry{FirstSeen: begin, LastSeen: begin, PassedAt: begin}
	return draw(decision, map[string]any{
		"Steps":   steps,
		"Failing": step{"any of this fails", []greylist.Reason{greylist.ReasonError}, []string{"accept", "defer"}},
		"Rows": []row{
			{"unknown", phases(w, nil, 0)},
			{"waits since", phases(w, waiting, 0, w.TooSoon, w.MinDeferTime, w.MaxDeferTime+1)},
			{"passed, last mail", phases(w, passed, 0, w.MaxGrey+1)},
		},
	})
}

var decision = template.Must(template.New("decision").Funcs(places).Parse(`{{define "answers"}}{{$y := .Y}}{{range $i, $a := .Answers}}
<rect x="{{add 470 (mul $i 90)}}" y="{{add $y 8}}" width="80" height="24" rx="12" class="{{$a}}"/><text x="{{add 510 (mul $i 90)}}" y="{{add $y 25}}" class="answer">{{$a}}</text>{{end}}{{end -}}
<svg xmlns="http://www.w3.org/2000/svg" width="760" height="{{add 330 (mul (len .Steps) 46)}}" viewBox="0 0 760 {{add 330 (mul (len .Steps) 46)}}">
<title>How a recipient is judged: the first rule that holds answers, else the greylist</title>
{{template "style"}}
<text x="20" y="26" class="head">The mail server asks: client, sender, recipient. The first rule that holds answers.</text>
{{range $i, $s := .Steps}}{{$y := add 40 (mul $i 46)}}
<rect x="20" y="{{$y}}" width="400" height="40" rx="4" class="box"/><text x="32" y="{{add $y 17}}">{{$s.Name}}</text>
<text x="32" y="{{add $y 33}}" class="reason">{{range $j, $r := $s.Reasons}}{{if $j}}, {{end}}{{$r}}{{end}}</text>
<path d="M420 {{add $y 20}} h42 m-6 -4 l6 4 l-6 4" class="line"/>{{template "answers" at $y $s.Answers}}
{{end}}{{$y := add 52 (mul (len .Steps) 46)}}
<text x="20" y="{{add $y 16}}" class="head">Else the greylist, by what it stores of client, sender and recipient:</text>
{{range $i, $r := .Rows}}{{$t := add $y (add 30 (mul $i 58))}}
<text x="20" y="{{add $t 24}}">{{$r.Name}}</text>
{{range $j, $p := $r.Phases}}{{$x := add 150 (mul $j 148)}}
<rect x="{{$x}}" y="{{$t}}" width="144" height="38" rx="4" class="{{$p.Verdict}}"/><text x="{{add $x 72}}" y="{{add $t 16}}" class="answer">{{$p.Verdict}}</text>
<text x="{{add $x 72}}" y="{{add $t 31}}" class="answer small">{{$p.Reason}}</text>{{if gt (len $r.Phases) 1}}<text x="{{$x}}" y="{{add $t 51}}" class="reason">{{$p.From}}</text>{{end}}{{end}}
{{end}}{{$y = add $y 218}}
<rect x="20" y="{{$y}}" width="400" height="40" rx="4" class="box"/><text x="32" y="{{add $y 17}}">{{.Failing.Name}}: as store.on_error says</text>
<text x="32" y="{{add $y 33}}" class="reason">{{index .Failing.Reasons 0}}</text>
<path d="M420 {{add $y 20}} h42 m-6 -4 l6 4 l-6 4" class="line"/>{{template "answers" at $y .Failing.Answers}}
</svg>
`))
