package main

import (
	"bytes"
	"strings"

	"github.com/spf13/cobra"

	"greyglass/greylist"
)

// changedJSON is what 'pass --json' and 'forget --json' print.
type changedJSON struct {
	Done     string    `json:"done"` // the command
	Triplets []keyJSON `json:"triplets"`
	Says     []string  `json:"says"` // what the command says to people

	Obstacles []obstacleJSON `json:"obstacles"` // one for each reason
}

// obstacleJSON is why the next attempt of a triplet is answered otherwise than the change says.
type obstacleJSON struct {
	keyJSON
	Says string `json:"says"`
}

// keyJSON is the key of a triplet.
type keyJSON struct {
	Client    string `json:"client"`
	Sender    string `json:"sender"`
	Recipient string `json:"recipient"`
}

// noted notes a triplet that a command has changed.
func (p *program) noted(t greylist.Triplet) { p.changed = append(p.changed, t) }

// inJSON adds --json to a command that changes triplets, and notes them.
func (p *program) inJSON(cmd *cobra.Command) {
	asJSON, run := false, cmd.RunE
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if !asJSON {
			return run(cmd, args)
		}
		var says bytes.Buffer
		out := p.stdout
		p.stdout = &says
		err := run(cmd, args)
		p.stdout = out
		if err != nil && len(p.changed) == 0 {
			return err
		}
		object := changedJSON{cmd.Name(), []keyJSON{}, strings.Split(strings.TrimSpace(says.String()), "\n"), []obstacleJSON{}}
		for _, t := range p.changed {
			object.Triplets = append(object.Triplets, keyJSON(t))
		}
		for _, o := range p.obstacles {
			object.Obstacles = append(object.Obstacles, obstacleJSON{keyJSON(o.Triplet), o.says})
		}
		if failed := printObject(p.stdout, object); err == nil {
			err = failed
		}
		return err
	}
}
