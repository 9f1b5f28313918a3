package main

import (
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// writeNotes writes the release notes: the newest section of CHANGELOG.md.
func writeNotes(src source, dist string) (string, error) {
	file := filepath.Join(dist, "greyglass-"+src.version+"-notes.md")
	text := fmt.Sprintf("# Greyglass %s\n\n%s\n", src.version, src.releases[0].text)
	return file, os.WriteFile(file, []byte(text), 0o644)
}

// writeSums writes what "sha256sum --check" reads.
func writeSums(sums string, files []string) error {
	var b strings.Builder
	slices.Sort(files)
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			return err
		}
		h := sha256.New()
		_, err = io.Copy(h, f)
		f.Close()
		if err != nil {
			return err
		}
		fmt.Fprintf(&b, "%x  %s\n", h.Sum(nil), filepath.Base(name))
	}
	return os.WriteFile(sums, []byte(b.String()), 0o644)
}

// spdx are the identifiers, by SPDX, of the licences that DEP-5 names otherwise.
var spdx = map[string]string{"Expat": "MIT"}

// writeSBOM writes what the program is linked with, by its own build information, as
// CycloneDX 1.5. cyclonedx-gomod does not know the licences without a network, and takes
// a minute to build.
func writeSBOM(src source, st stage, dist string) (string, error) {
	type licence struct {
		License object `json:"license"`
	}
	type component struct {
		Type     string    `json:"type"`
		Ref      string    `json:"bom-ref,omitempty"`
		Name     string    `json:"name"`
		Version  string    `json:"version"`
		PURL     string    `json:"purl,omitempty"`
		Licenses []licence `json:"licenses,omitempty"`
	}
	info, err := buildinfo.ReadFile(st.path("greyglass"))
	if err != nil {
		return "", err
	}
	var components []component
	add := func(path, version string) error {
		i := slices.IndexFunc(src.modules, func(m module) bool { return m.path == path && (m.version == version || path == "std") })
		if i < 0 {
			return fmt.Errorf("the program is linked with %s %s, whose licence is not known", path, version)
		}
		c := component{Type: "library", Name: path, Version: version, PURL: "pkg:golang/" + path + "@" + version}
		c.Ref = c.PURL
		for name := range strings.SplitSeq(src.modules[i].licence(), " and ") {
			switch id := spdx[name]; {
			case id != "":
				c.Licenses = append(c.Licenses, licence{object{"id": id}})
			case name == "public-domain":
				c.Licenses = append(c.Licenses, licence{object{"name": "public domain"}})
			default:
				c.Licenses = append(c.Licenses, licence{object{"id": name}})
			}
		}
		components = append(components, c)
		return nil
	}
	for _, m := range info.Deps {
		if m.Replace != nil {
			m = m.Replace
		}
		if err := add(m.Path, m.Version); err != nil {
			return "", err
		}
	}
	if err := add("std", strings.TrimPrefix(info.GoVersion, "go")); err != nil {
		return "", err
	}
	text, err := json.MarshalIndent(object{
		"bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1,
		"metadata": object{
			"timestamp":  src.at.Format(time.RFC3339),
			"component":  component{Type: "application", Ref: "greyglass", Name: "greyglass", Version: src.version, Licenses: []licence{{object{"id": "BSD-2-Clause"}}}},
			"properties": []object{{"name": "arch", "value": st.arch}},
		},
		"components": components,
	}, "", "  ")
	if err != nil {
		return "", err
	}
	file := filepath.Join(dist, "greyglass-"+src.version+"-sbom-"+st.arch+".cdx.json")
	return file, os.WriteFile(file, append(text, '\n'), 0o644)
}
