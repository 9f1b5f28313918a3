package proxies

import (
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"greyglass/e2e/lab"
)

// The page's name in the examples, and where browsers find the proxy in the lab's network.
const (
	pageName = "greylist.example.org"
	proxyAt  = "192.0.2.1:443"
)

// proxy is a reverse proxy.
type proxy struct {
	name    lab.MTA
	example string // of contrib/web

	// main is the proxy's own configuration, which stands before the example.
	main func(dir, example string) string

	check, serve []string // arguments, before the file
}

var proxies = []proxy{
	{name: lab.Nginx, example: "nginx.conf", main: nginxMain,
		check: []string{"-t", "-q", "-e", "stderr", "-c"}, serve: []string{"-e", "stderr", "-c"}},
	{name: lab.Apache, example: "apache.conf", main: apacheMain,
		check: []string{"-t", "-f"}, serve: []string{"-D", "FOREGROUND", "-f"}},
	{name: lab.Caddy, example: "Caddyfile", main: caddyMain,
		check: []string{"validate", "--adapter", "caddyfile", "--config"}, serve: []string{"run", "--adapter", "caddyfile", "--config"}},
}

func nginxMain(dir, example string) string {
	paths := ""
	for _, kind := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		paths += fmt.Sprintf("\t%s_temp_path %s/%[1]s;\n", kind, dir)
	}
	return fmt.Sprintf("user root;\ndaemon off;\npid %[1]s/pid;\nevents {}\nhttp {\n\taccess_log off;\n%[2]s%[3]s}\n", dir, paths, example)
}

// apacheModules are those that Debian enables by itself, as far as they matter here.
var apacheModules = []string{"mpm_event", "authn_core", "authn_file", "authz_core", "authz_user", "auth_basic"}

// enabled are the modules that the example of Apache says to enable.
var enabled = regexp.MustCompile(`a2enmod ([a-z_ ]+)`)

func apacheMain(dir, example string) string {
	modules := ""
	for _, name := range append(apacheModules, strings.Fields(enabled.FindStringSubmatch(example)[1])...) {
		modules += fmt.Sprintf("LoadModule %s_module %s\n", name, lab.File(lab.Apache, "usr/lib/apache2/modules/mod_"+name+".so"))
	}
	return fmt.Sprintf("ServerRoot %[1]s\nServerName localhost\nPidFile %[1]s/pid\nDefaultRuntimeDir %[1]s\nErrorLog /dev/stderr\nListen 443\n%[2]sUser #65534\nGroup #65534\n%[3]s",
		dir, modules, example)
}

func caddyMain(_, example string) string {
	return "{\n\tadmin off\n\tlocal_certs\n\tskip_install_trust\n}\n" + example
}

// page returns what the example says to write into greyglass.toml.
func (p proxy) page(t *testing.T) (lines string) {
	for _, line := range regexp.MustCompile(`(?m)^#   (.*)$`).FindAllStringSubmatch(p.text(t), -1) {
		lines += line[1] + "\n"
	}
	return lines
}

func (p proxy) text(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../contrib/web/" + p.example)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// trusting is the example as it is for web.trust_header, with its lines for that.
func trusting(example string) string {
	replaced := regexp.MustCompile(`(?m)^[^#\n]*X-Remote-User.*$`).ReplaceAllString(example, "")
	return regexp.MustCompile(`(?m)^(\t+)#   `).ReplaceAllString(replaced, "$1")
}

// start has the proxy check a variant of its example, and runs it until the returned
// function is called.
func (p proxy) start(t *testing.T, variant func(string) string) (stop func()) {
	t.Helper()
	dir := lab.Dir(t)
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	writeCertificate(t, cert, key)
	users := filepath.Join(dir, "users")
	write(t, users, usersText())
	example := strings.NewReplacer(
		"/etc/ssl/certs/greylist.example.org.pem", cert, "/etc/ssl/private/greylist.example.org.key", key,
		"/etc/nginx/greyglass.users", users, "/etc/apache2/greyglass.users", users,
		"\t\tolga HASH\n", caddyUsers(),
	).Replace(variant(p.text(t)))
	file := filepath.Join(dir, "proxy.conf")
	write(t, file, p.main(dir, example))
	command := func(args []string) *exec.Cmd {
		cmd := lab.Command(p.name, append(args, file)...)
		cmd.Env = append(cmd.Env, "HOME="+dir)
		return cmd
	}
	if out, err := command(p.check).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(p.check, " "), err, out)
	}
	stop = run(t, command(p.serve))
	eventually(t, string(p.name)+" has a certificate", func() bool {
		c, err := tls.Dial("tcp", proxyAt, &tls.Config{ServerName: pageName, InsecureSkipVerify: true})
		if err == nil {
			_ = c.Close()
		}
		return err == nil
	})
	return stop
}

// caddyUsers are the users in Caddy's configuration.
func caddyUsers() (lines string) {
	for _, user := range []string{operator, looker} {
		lines += "\t\t" + user + " " + base64.StdEncoding.EncodeToString(hash()) + "\n"
	}
	return lines
}
