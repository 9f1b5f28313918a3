package pkg

import (
	"archive/tar"
	"bytes"
	"debug/buildinfo"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// What "make release" leaves is complete, its checksums hold, and its SBOMs have
// everything that the program is linked with.
func TestDist(t *testing.T) {
	t.Parallel()
	v := version(t)
	want := []string{"SHA256SUMS", "greyglass-" + v + "-notes.md"}
	for _, arch := range [][2]string{{"amd64", "x86_64"}, {"arm64", "aarch64"}} {
		want = append(want, "greyglass_"+v+"_"+arch[0]+".deb", "greyglass-"+v+"-1."+arch[1]+".rpm", "greyglass-"+v+"-image-"+arch[0]+".tar", "greyglass-"+v+"-sbom-"+arch[0]+".cdx.json")
	}
	slices.Sort(want)
	entries, err := os.ReadDir(dist)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if !slices.Equal(got, want) {
		t.Errorf("dist has %q, want %q", got, want)
	}
	out, err := inTools(t, "cd dist && sha256sum --check --strict SHA256SUMS && grep -c . SHA256SUMS")
	if err != nil || !strings.HasSuffix(out, "\n9\n") {
		t.Errorf("sha256sum: %v\n%s", err, out)
	}
	if notes := fileOf(t, "greyglass-"+v+"-notes.md"); !strings.HasPrefix(notes, "# Greyglass "+v+"\n\n### ") || !strings.Contains(notes, "\n- ") {
		t.Errorf("the release notes begin with %.100q", notes)
	}

	info, err := buildinfo.ReadFile(program(t))
	if err != nil {
		t.Fatal(err)
	}
	linked := map[string]string{"std": strings.TrimPrefix(info.GoVersion, "go")}
	for _, m := range info.Deps {
		linked[m.Path] = m.Version
	}
	var sbom struct {
		Format     string `json:"bomFormat"`
		Version    string `json:"specVersion"`
		Components []struct {
			Name, Version, PURL string
			Licenses            []struct {
				License struct{ ID, Name string }
			}
		}
	}
	if err := json.Unmarshal([]byte(fileOf(t, "greyglass-"+v+"-sbom-amd64.cdx.json")), &sbom); err != nil {
		t.Fatal(err)
	}
	if sbom.Format != "CycloneDX" || sbom.Version != "1.5" || len(sbom.Components) != len(linked) {
		t.Errorf("the SBOM is %s %s with %d components, of %d that are linked", sbom.Format, sbom.Version, len(sbom.Components), len(linked))
	}
	for _, c := range sbom.Components {
		if linked[c.Name] != c.Version || c.PURL != "pkg:golang/"+c.Name+"@"+c.Version || len(c.Licenses) == 0 {
			t.Errorf("a component is %+v; linked is %s", c, linked[c.Name])
		}
	}
}

// The fields and documents that Debian's policy asks for.
func TestDebian(t *testing.T) {
	t.Parallel()
	out, err := inTools(t, "dpkg-deb -f dist/*_amd64.deb && dpkg-deb -c dist/*_amd64.deb && dpkg-deb --fsys-tarfile dist/*_amd64.deb | tar -xO ./usr/share/doc/greyglass/copyright")
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	wants(t, out, "\nHomepage: "+homepage+"\n", "\nVcs-Git: "+homepage+".git\n", "\nVcs-Browser: "+homepage+"\n", "\nEnhances: postfix, sendmail, exim4\n",
		"./usr/share/doc/greyglass/README.Debian\n", "./usr/share/doc/greyglass/NEWS.Debian.gz\n", "./etc/default/greyglass\n")
	_, copyright, _ := strings.Cut(out, "\nFormat: ")
	paragraphs := strings.Split("Format: "+copyright, "\n\n")
	field := regexp.MustCompile(`^(?:[A-Z][A-Za-z-]*:.*|[ \t].*\S.*)$`)
	for i, p := range paragraphs {
		for line := range strings.Lines(p) {
			if line = strings.TrimRight(line, "\n"); line != "" && !field.MatchString(line) {
				t.Errorf("no line of a machine-readable copyright file: %q", line)
			}
		}
		if i > 0 && (!strings.HasPrefix(p, "Files: ") || !strings.Contains(p, "\nCopyright:") || !regexp.MustCompile(`\nLicense: \S+.*\n `).MatchString(p)) {
			t.Errorf("a paragraph lacks Files, Copyright or License:\n%s", p)
		}
	}
	wants(t, copyright, "\nFiles: vendor/modernc.org/sqlite/*\n", "\nFiles: vendor/std/*\n", "\nLicense: Apache-2.0\n")
}

// Each relative link of a page in the package leads to a file in it.
func TestInstalledLinks(t *testing.T) {
	t.Parallel()
	out, err := exec.Command("dpkg-deb", "--fsys-tarfile", file(t, "amd64")).Output()
	if err != nil {
		t.Fatal(err)
	}
	pages, installed := make(map[string]string), make(map[string]bool)
	for files := tar.NewReader(bytes.NewReader(out)); ; {
		h, err := files.Next()
		if err == io.EOF {
			break
		}
		text, err2 := io.ReadAll(files)
		if err := errors.Join(err, err2); err != nil {
			t.Fatal(err)
		}
		name := path.Clean(h.Name)
		if installed[name] = true; path.Ext(name) == ".md" {
			pages[name] = string(text)
		}
	}
	link := regexp.MustCompile(`\]\(([^):#\s]+)[^):]*\)`)
	found := 0
	for page, text := range pages {
		for _, m := range link.FindAllStringSubmatch(text, -1) {
			if found++; !installed[path.Join(path.Dir(page), m[1])] {
				t.Errorf("%s links %s, which is not installed", page, m[1])
			}
		}
	}
	if found < 40 {
		t.Errorf("only %d links were found on %d pages", found, len(pages))
	}
}

// The RPM is clean by rpmlint, and can be installed, checked and removed by Debian's rpm.
func TestRPM(t *testing.T) {
	t.Parallel()
	out, err := inTools(t, `rpmlint --config contrib/package/rpm/rpmlint.toml dist/*.x86_64.rpm dist/*.aarch64.rpm &&
		rpm --initdb && rpm --install --nodeps dist/*.$(uname -m).rpm && rpm --verify --nodeps greyglass &&
		greyglass version && greyglass config >/dev/null && getent passwd greyglass && stat -c '%U:%G %a' /var/lib/greyglass && rpm --query --configfiles greyglass &&
		echo '# mine' >>/etc/greyglass/greyglass.toml && rpm --erase --nodeps greyglass && ls /etc/greyglass && ! test -e /usr/sbin/greyglass`)
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	wants(t, out, "0 errors, 0 warnings", "greyglass "+version(t)+" ", "nologin", "greyglass:greyglass-admin 2750\n", "/etc/greyglass/greyglass.toml\n", "greyglass.toml.rpmsave")
}

// The image is one by Debian's tools for images, and its program, run as its
// configuration says, answers at its port.
func TestImage(t *testing.T) {
	t.Parallel()
	out, err := inTools(t, "version="+version(t)+`; image=$(echo dist/*-image-$(dpkg --print-architecture).tar)
		skopeo inspect --config oci-archive:$image:$version && skopeo inspect --config docker-archive:$image:greyglass:$version >/dev/null &&
		skopeo copy --quiet docker-archive:$image:greyglass:$version dir:/tmp/copied &&
		mkdir layout && tar -x -C layout -f $image && umoci stat --image layout:$version >stat && umoci unpack --image layout:$version /tmp/bundle &&
		cd /tmp/bundle && cat config.json | tr -d ' \n\t' && python3 -c 'import fcntl, socket, struct
fcntl.ioctl(socket.socket(), 0x8914, struct.pack("16sh", b"lo", 1))' &&
		stat -c '%u %a' rootfs/var/lib/greyglass && ls rootfs/etc/greyglass && cd rootfs &&
		(chroot --userspec=65532:65532 . /usr/sbin/greyglass serve 2>/tmp/log & echo $! >/tmp/pid) &&
		for i in $(seq 100); do chroot --userspec=65532:65532 . /usr/sbin/greyglass probe 203.0.113.7 ann@example.net bob@example.org && break; sleep 0.1; done;
		chroot --userspec=65532:65532 . /usr/sbin/greyglass list; kill $(cat /tmp/pid); cat /tmp/log`)
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	wants(t, out, `"User": "65532:65532"`, `"architecture": "`+runtime.GOARCH+`"`, `"args":["/usr/sbin/greyglass","serve"]`, `"uid":65532,"gid":65532`, "65532 700\n",
		"451 4.7.1 Greylisted", "ann@example.net\tbob@example.org", "bound=0.0.0.0:8895")
}

// The rc scripts do what the systems' own libraries would have them do.
func TestRCScripts(t *testing.T) {
	t.Parallel()
	const prepare = unpacked + "systemd-sysusers && : >good.toml && echo nonsense >bad.toml && "
	for _, c := range []struct{ name, command, want string }{
		{"openrc", `cat >openrc <<'END'
checkpath() { echo "checkpath $*"; }
start-stop-daemon() { echo "start-stop-daemon $*"; }
ebegin() { echo "$*"; }
eend() { return "$1"; }
GREYGLASS_CONFIG=$1
. contrib/openrc/greyglass
start_pre && RC_SVCNAME=greyglass && reload && eval "echo $command $command_args"
END
bash openrc /work/good.toml && ! bash openrc /work/bad.toml >/dev/null 2>&1`,
			"checkpath --directory --owner greyglass:greyglass --mode 0750 /run/greyglass\ncheckpath --directory --owner greyglass:greyglass-admin --mode 2750 /var/lib/greyglass\n" +
				"Reloading greyglass\nstart-stop-daemon --signal HUP --pidfile /run/greyglass.pid\n/usr/sbin/greyglass serve --config /work/good.toml\n"},
		{"freebsd", `cp /usr/sbin/greyglass /usr/local/sbin/ && cat >/etc/rc.subr <<'END'
load_rc_config() { greyglass_enable=YES; greyglass_config=$CONFIG; }
run_rc_command() {
	test -e "$required_files" || return 1
	case "$1" in
	start) "$start_precmd" && echo "$command $command_args" ;;
	*) eval "\"\$$1_cmd\"" ;;
	esac
}
END
export CONFIG=/work/good.toml
sh contrib/freebsd/greyglass start && sh contrib/freebsd/greyglass check && stat -c '%U:%G %a' /var/run/greyglass /var/db/greyglass || exit
sleep 100 & echo $! >/var/run/greyglass/daemon.pid
sh contrib/freebsd/greyglass reload && ! wait $! && ! CONFIG=/work/bad.toml sh contrib/freebsd/greyglass start 2>/dev/null`,
			"/usr/sbin/daemon -f -S -T greyglass -l mail -R 2 -P /var/run/greyglass/supervisor.pid -p /var/run/greyglass/daemon.pid -u greyglass /usr/local/sbin/greyglass serve --config /work/good.toml\n" +
				"greyglass:root 750\ngreyglass:greyglass-admin 2750\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			out, err := inTools(t, prepare+c.command)
			if err != nil || !strings.Contains(out, c.want) {
				t.Errorf("%v\n%s\nwant\n%s", err, out, c.want)
			}
		})
	}
}

// program unpacks the program out of the Debian package.
func program(t *testing.T) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "greyglass")
	out, err := exec.Command("sh", "-c", "dpkg-deb --fsys-tarfile "+file(t, "amd64")+" | tar -xO ./usr/sbin/greyglass >"+to).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return to
}

// version is that of the packages.
func version(t *testing.T) string {
	t.Helper()
	return strings.Split(filepath.Base(file(t, "amd64")), "_")[1]
}

func fileOf(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dist, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
