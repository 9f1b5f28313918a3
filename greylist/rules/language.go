package rules

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"greyglass/greylist/address"
	"greyglass/greylist/problem"
)

// fact is a value that a condition can name, such as sender or hour. One of text,
// number and yes is set: the fact's type. It is called only when a condition needs it.
type fact struct {
	text   func(*Facts) string
	number func(*Facts) int
	yes    func(*Facts) bool

	// fold brings a text that is compared with the fact into the fact's form. Its error
	// says why the fact can never be equal to the text.
	fold func(string) (string, error)

	// most is the greatest number that the fact can be; the least is zero.
	most int

	// lists is the kind of file for `FACT in list(FILE)`.
	lists ListKind
}

// facts are all that a condition can name.
var facts = map[string]fact{
	"client_address":   {text: (*Facts).clientAddress, fold: foldClientAddress},
	"client_name":      {text: (*Facts).clientName, fold: foldName, lists: ClientList},
	"helo_name":        {text: (*Facts).heloName, fold: foldName},
	"client_dynamic":   {yes: (*Facts).Dynamic},
	"client_tls":       {yes: (*Facts).clientTLS},
	"proven":           {yes: (*Facts).proven},
	"correspondent":    {yes: (*Facts).correspondent},
	"sender":           {text: func(f *Facts) string { return f.Sender }, fold: foldAddress, lists: SenderList},
	"sender_local":     {text: func(f *Facts) string { local, _ := split(f.Sender); return local }, fold: foldLocal},
	"sender_domain":    {text: func(f *Facts) string { _, domain := split(f.Sender); return domain }, fold: foldName},
	"recipient":        {text: func(f *Facts) string { return f.Recipient }, fold: foldAddress, lists: RecipientList},
	"recipient_local":  {text: func(f *Facts) string { local, _ := split(f.Recipient); return local }, fold: foldLocal},
	"recipient_domain": {text: func(f *Facts) string { _, domain := split(f.Recipient); return domain }, fold: foldName},
	"spf":              {text: (*Facts).spf, fold: foldSPF},
	"spf_provider":     {text: (*Facts).spfProvider, fold: foldName},
	"hour":             {number: func(f *Facts) int { return f.local().Hour() }, most: 23},
	"weekday":          {number: func(f *Facts) int { return int(f.local().Weekday()) }, most: 6},
}

// functions are what a condition can call, with their types for the type checker.
var functions = map[string]any{
	"client_in":      func(prefix string) bool { return false },
	"client_in_list": func(file string) bool { return false },
	"dnsbl":          func(zone ...string) bool { return false },
	"dnswl":          func(zone ...string) bool { return false },
	"list":           func(file string) listFile { return listFile{} },
}

// listFile is the type of list(FILE), which stands behind `in` only.
type listFile struct{}

// Names returns the names of all facts and functions, sorted.
func Names() []string {
	names := slices.AppendSeq(slices.Collect(maps.Keys(facts)), maps.Keys(functions))
	slices.Sort(names)
	return names
}

// allowedBuiltins are the builtins of expr that take bounded time and memory.
var allowedBuiltins = []string{"all", "any", "none", "one", "count", "len", "lower", "upper", "trim", "trimPrefix", "trimSuffix",
	"split", "indexOf", "lastIndexOf", "hasPrefix", "hasSuffix", "abs", "int", "string", "min", "max", "first", "last"}

func foldLocal(s string) (string, error) { return strings.ToLower(s), nil }

func foldName(s string) (string, error) { return foldHost(s), nil }

func foldAddress(s string) (string, error) { return address.Fold(s), nil }

// SPFResults are all results of SPF.
var SPFResults = []string{SPFPass, SPFFail, SPFSoftFail, SPFNeutral, SPFNone, SPFTempError, SPFPermError}

func foldSPF(s string) (string, error) {
	s = strings.ToLower(s)
	if !slices.Contains(SPFResults, s) {
		return "", problem.New("write one of "+strings.Join(SPFResults, ", "), "spf is never %q", s)
	}
	return s, nil
}

func foldClientAddress(s string) (string, error) {
	addr, err := netip.ParseAddr(s)
	if err != nil {
		return "", problem.New(fmt.Sprintf("write a full IPv4 or IPv6 address, or client_in(%q) for a network", s), "no client has the address %q", s)
	}
	return addr.Unmap().String(), nil
}

// split splits a folded address at its last "@"; the null sender is empty.
func split(s string) (local, domain string) {
	if s == address.NullSender {
		return "", ""
	}
	local, domain, _ = address.Cut(s)
	return local, domain
}
