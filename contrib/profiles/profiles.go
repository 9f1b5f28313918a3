// Package profiles holds the profiles that greylist.profile can name: configuration
// files that come before the administrator's.
package profiles

import "embed"

// Files has each profile as NAME.toml.
//
//go:embed *.toml
var Files embed.FS
