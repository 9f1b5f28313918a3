package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestHomePage(t *testing.T) {
	for set, want := range map[string]string{
		"https://git.example.org/greyglass.git":           "https://git.example.org/greyglass",
		"https://git.example.org/greyglass/":              "https://git.example.org/greyglass",
		"https://ann:secret@git.example.org/greyglass":    "",
		"git@git.example.org:greyglass.git":               "",
		"/srv/git/greyglass":                              "",
		"https://git.example.org/greyglass.git?ref=a.git": "https://git.example.org/greyglass.git?ref=a",
	} {
		t.Setenv("HOMEPAGE", set)
		if got := homePage(); got != want {
			t.Errorf("%s: %q, want %q", set, got, want)
		}
	}
}

// A module whose licence is of no known kind, or that has none, is no part of a package.
func TestLicences(t *testing.T) {
	write := func(name, text string) string {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return dir
	}
	for _, c := range []struct{ name, text, want string }{
		{"LICENSE", "Permission is hereby granted,\nfree of charge", "Expat"},
		{"COPYING.txt", "Redistribution and use in source and\nbinary forms … to endorse or promote", "BSD-3-Clause"},
		{"Licence", "Redistribution and use in source and binary forms", "BSD-2-Clause"},
		{"LICENSE", "Apache License\n  Version 2.0, January 2004", "Apache-2.0"},
		{"LICENSE", "All rights reserved", "is of no known kind"},
		{"NOTICE", "By Ann", "no licence in"},
	} {
		files, err := licenceFiles(write(c.name, c.text))
		got := module{files: files}.licence()
		if err != nil {
			got = err.Error()
		}
		if !strings.Contains(got, c.want) {
			t.Errorf("%s %q: %s, want %s", c.name, c.text, got, c.want)
		}
	}
}

func TestCopyrights(t *testing.T) {
	const text = "Copyright (c) 2013, 2014 Ann\nCopyright © 2015 Bob\n  copyright 2016 Carol\nThe above copyright notice of 2017\nCopyright (c) 2013, 2014 Ann\n"
	if got, want := copyrights("x", text), "Copyright:\n 2013, 2014 Ann\n 2015 Bob\n 2016 Carol\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got, want := copyrights("x", "none"), "Copyright: the authors of x\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
