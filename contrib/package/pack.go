package main

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

const nfpm = "github.com/goreleaser/nfpm/v2/cmd/nfpm@v2.45.0"

func packDeb(src source, st stage, dist string) (string, error) {
	// Debian has the changelog and the licence in files like others.
	return pack(src, st, "deb", filepath.Join(dist, "greyglass_"+src.version+"_"+st.arch+".deb"), map[string]string{"CHANGELOG": `""`, "LICENSE": `""`})
}

func packRPM(src source, st stage, dist string) (string, error) {
	arch := map[string]string{"amd64": "x86_64", "arm64": "aarch64"}[st.arch]
	return pack(src, st, "rpm", filepath.Join(dist, "greyglass-"+src.version+"-1."+arch+".rpm"), map[string]string{"CHANGELOG": st.path("changelog.yaml"), "LICENSE": "BSD-2-Clause"})
}

// pack has nfpm make a package out of the stage, with some variables of its kind.
func pack(src source, st stage, packager, target string, variables map[string]string) (string, error) {
	recipe, err := os.ReadFile("contrib/package/nfpm.yaml")
	if err != nil {
		return "", err
	}
	maps.Copy(variables, map[string]string{
		"ARCH": st.arch, "VERSION": src.version, "STAGE": st.dir, "MAINTAINER": src.maintainer, "MTIME": src.at.Format(time.RFC3339),
		"HOMEPAGE": strconv.Quote(src.home),
	})
	if src.home != "" {
		variables["VCS_GIT"], variables["VCS_BROWSER"] = src.home+".git", src.home
	}
	filled := st.path(packager + ".yaml")
	if err := os.WriteFile(filled, []byte(os.Expand(string(recipe), func(v string) string { return variables[v] })), 0o644); err != nil {
		return "", err
	}
	cmd := exec.Command("go", "run", nfpm, "package", "--packager", packager, "--config", filled, "--target", target)
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("nfpm: %w\n%s", err, strings.TrimSpace(string(out)))
	}
	return target, nil
}
