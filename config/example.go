package config

import _ "embed"

//go:embed example.toml
var example string

// Example gives a commented file that is valid as it stands: one segment with a plain leg. Lines
// that begin with # and no space are settings at their defaults; lines with "# " are prose.
func Example() string { return example }
