package main

import (
	"fmt"
	"io"
	"runtime"

	"github.com/spf13/cobra"
)

// version is that of the next release, until CHANGELOG.md has an entry of its own for it.
const version = "0.1.0"

func (p *program) versionCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:        "version",
		SuggestFor: []string{"about", "ver"},
		Short:      "print the version",
		Long: `Print the version of Greyglass, of the Go that it was built with, and the system that
it was built for.`,
		Args: arguments(),
		RunE: func(*cobra.Command, []string) error {
			if asJSON {
				return printObject(p.stdout, versionJSON{version, runtime.Version(), runtime.GOOS, runtime.GOARCH})
			}
			_, err := io.WriteString(p.stdout, versionText())
			return err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// versionJSON is what 'version --json' prints.
type versionJSON struct {
	Version string `json:"version"`
	Go      string `json:"go"`
	OS      string `json:"os"`
	Arch    string `json:"arch"`
}

func versionText() string {
	return fmt.Sprintf("greyglass %s (%s, %s/%s)\n", version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
}
