package main

import "greyglass/e2e/lab"

// prepare fetches the programs that a block needs and that are not ours.
func (bl block) prepare() error {
	peers := map[string]lab.MTA{"postgrey": lab.Postgrey, "sqlgrey": lab.Sqlgrey}
	for _, name := range bl.programs {
		if mta, ok := peers[name]; ok {
			if err := lab.Prepare(mta); err != nil {
				return err
			}
		}
	}
	return nil
}
