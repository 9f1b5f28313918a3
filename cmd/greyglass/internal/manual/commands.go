package manual

import (
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// commands writes what --help says of each command.
func (m *man) commands(root *cobra.Command) {
	m.heading("SH", "OPTIONS")
	m.paragraph("All commands take these:")
	m.flags(root.PersistentFlags())
	m.item(bold(verbatim("-h"))+", "+bold(verbatim("--help")), "explain the command")
	m.heading("SH", "COMMANDS")
	for _, c := range root.Commands() {
		if c.Hidden {
			continue
		}
		m.heading("SS", strings.TrimSuffix(c.UseLine(), " [flags]"))
		m.help(c.Long)
		m.flags(c.LocalNonPersistentFlags())
		if c.Example != "" {
			m.paragraph("For example:")
			m.verbatim(strings.ReplaceAll(strings.TrimPrefix(c.Example, "  "), "\n  ", "\n"))
		}
	}
}

// help writes the paragraphs of a help text, in which quotes stand for code.
func (m *man) help(text string) {
	for paragraph := range strings.SplitSeq(text, "\n\n") {
		m.paragraph(plain(paragraph))
	}
}

func (m *man) flags(set *pflag.FlagSet) {
	set.VisitAll(func(f *pflag.Flag) {
		if f.Name == "help" || f.Hidden {
			return
		}
		value, usage := pflag.UnquoteUsage(f)
		tag := bold(verbatim("--" + f.Name))
		if value != "" {
			tag += " " + italic(verbatim(value))
		}
		if f.DefValue != "" && f.DefValue != "[]" && f.DefValue != "false" && !strings.Contains(usage, "default") {
			usage += " (default: " + f.DefValue + ")"
		}
		m.item(tag, plain(usage))
	})
}
