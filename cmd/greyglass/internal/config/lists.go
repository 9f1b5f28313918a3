package config

import (
	"cmp"
	"errors"
	"io"
	"io/fs"
	"os"
	"slices"

	"greyglass/greylist/address"
	"greyglass/greylist/problem"
	"greyglass/greylist/rules"
)

// ListFile is a list file that the configuration names.
type ListFile struct {
	Key            string // "blocked.senders_file"; empty for a file in the condition of a rule
	rules.ListFile        // without a name there is no list
}

// String is how the configuration names the file.
func (f ListFile) String() string {
	if f.Key == "" {
		return "list(" + quote(f.File) + ")"
	}
	return f.Key + " = " + quote(f.File)
}

// List is the content of a list file.
type List interface {
	Len() int
	Unconverted() []string // see [address.Patterns.Unconverted]
}

// Lists are the contents of list files. A missing file is an empty list.
type Lists map[ListFile]List

func (l Lists) patterns(file ListFile) address.Patterns {
	patterns, _ := l[file].(*address.Patterns)
	if patterns == nil {
		return address.Patterns{}
	}
	return *patterns
}

func (l Lists) rule(file rules.ListFile) *rules.List {
	if file.File == KnownSenders {
		return knownSendersList()
	}
	if list, ok := l[ListFile{ListFile: file}].(*rules.List); ok {
		return list
	}
	return &rules.List{File: file}
}

func (b Blocked) senders() ListFile {
	return ListFile{"blocked.senders_file", rules.ListFile{Kind: rules.SenderList, File: b.SendersFile}}
}

func (b Blocked) exceptions() ListFile {
	return ListFile{"blocked.exceptions_file", rules.ListFile{Kind: rules.RecipientList, File: b.ExceptionsFile}}
}

// ListFiles returns the list files of the configuration: blocked senders, exceptions,
// then those of rules.
func (c *Config) ListFiles() []ListFile {
	files := []ListFile{c.Blocked.senders(), c.Blocked.exceptions()}
	for i := range c.Rule {
		for _, file := range c.Rule[i].lists {
			if file := (ListFile{ListFile: file}); !slices.Contains(files, file) {
				files = append(files, file)
			}
		}
	}
	return files
}

// ReadLists reads all list files. A missing file is an empty list, and a warning. The
// error is a [*Problems] with the bad lines of all files; the other files' lists come with it.
func ReadLists(c *Config) (lists Lists, warnings []Warning, err error) {
	lists = make(Lists)
	problems := new(Problems)
	for _, file := range c.ListFiles() {
		list, err := file.Read()
		broken := new(Problems)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			warnings = append(warnings, Warning{file.String(), file.String() + ": no such file, so the list is empty",
				`create the file (it may be empty), or set the key to "" if you want no such list`})
		case errors.As(err, &broken):
			problems.add(broken.List...)
		default:
			lists[file] = list
			warnings = append(warnings, unconverted(file.String(), list.Unconverted())...)
		}
	}
	return lists, append(warnings, c.unconverted()...), problems.orNil()
}

// unconverted makes warnings of the internationalized domains of lists, triples and
// conditions that do not convert. Their problems were reported before.
func (c *Config) unconverted() (warnings []Warning) {
	var domains, users, senders, triples, nonstandard address.Patterns
	for _, domain := range c.Rules.AllowedDomains {
		_ = domains.AddDomain(domain)
	}
	for _, domain := range c.Learn.LocalDomains {
		_ = users.AddDomain(domain)
	}
	for _, probe := range c.Greylist.ProbeSenders {
		_ = senders.Add(probe, address.Recipients)
	}
	for _, triple := range c.Rules.WhitelistedTriples {
		_, _ = triples.Add(triple[1], address.Senders), triples.Add(triple[2], address.Recipients)
	}
	for _, triple := range c.Rules.WhitelistedNonstandardTriples {
		_, _ = nonstandard.AddDomain(triple[0]), nonstandard.Add(triple[2], address.Recipients)
	}
	for _, list := range []struct {
		key      string
		patterns *address.Patterns
	}{
		{"greylist.probe_senders", &senders}, {"rules.allowed_domains", &domains},
		{"rules.whitelisted_triples", &triples}, {"rules.whitelisted_nonstandard_triples", &nonstandard},
		{"learn.local_domains", &users},
	} {
		warnings = append(warnings, unconverted(list.key, list.patterns.Unconverted())...)
	}
	for i := range c.Rule {
		warnings = append(warnings, unconverted("the condition of the rule "+quote(c.Rule[i].Name), c.Rule[i].unconverted)...)
	}
	return warnings
}

// unconverted makes warnings of internationalized domains that do not convert.
func unconverted(where string, domains []string) (warnings []Warning) {
	for _, domain := range domains {
		warnings = append(warnings, Warning{Detail: where + ": " + quote(domain) + " does not convert to an internationalized domain name; compared as it is",
			Fix: "correct the domain, unless it is meant"})
	}
	return warnings
}

// Read reads the file; a relative name counts from the working folder. The error is
// fs.ErrNotExist if there is no file, else a [*Problems] with the bad lines.
func (f ListFile) Read() (list List, err error) {
	list = new(address.Patterns)
	err = openList(f.File, func(r io.Reader) (err error) {
		if f.Key == "" {
			list, err = rules.ParseList(r, f.ListFile)
			return err
		}
		whose := address.Senders
		if f.Kind == rules.RecipientList {
			whose = address.Recipients
		}
		patterns, err := address.ParseList(r, f.File, whose)
		list = &patterns
		return err
	})
	if err != nil {
		return nil, err
	}
	return list, nil
}

func openList(file string, parse func(io.Reader) error) error {
	if file == "" {
		return nil
	}
	fail := func(what string) error {
		const fix = "make it a plain file that this user may read"
		return &Problems{[]Problem{{Where: file, Detail: what, Fix: fix}}}
	}
	// Opening a pipe would wait for a writer.
	info, err := os.Stat(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fs.ErrNotExist
	case err != nil:
		return fail("cannot be read: " + reason(err))
	case info.IsDir():
		return fail("a folder where a list file belongs")
	case !info.Mode().IsRegular() && file != os.DevNull:
		return fail("not a plain file")
	}
	f, err := os.Open(file)
	if err != nil {
		return fail("cannot be read: " + reason(err))
	}
	defer f.Close()
	if err := parse(f); err != nil {
		return badLines(file, err)
	}
	return nil
}

// badLines makes a problem of each error in a list file.
func badLines(file string, err error) *Problems {
	problems := new(Problems)
	for _, err := range unjoin(err) {
		detail, fix := problem.Split("", err)
		problems.add(Problem{Where: cmp.Or(problem.Find(err).Where, file), Detail: detail, Fix: fix})
	}
	return problems
}
