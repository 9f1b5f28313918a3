package listen

import (
	"strings"
	"testing"
)

func TestParseAddress(t *testing.T) {
	longest := "/" + strings.Repeat("a", maxSocketPath-1)
	for _, c := range []struct {
		in            string
		network, addr string
		canonical     string
	}{
		{"unix:/run/greyglass/milter.sock", "unix", "/run/greyglass/milter.sock", "unix:/run/greyglass/milter.sock"},
		{"local:/run/greyglass/milter.sock", "unix", "/run/greyglass/milter.sock", "unix:/run/greyglass/milter.sock"},
		{"/run/greyglass/milter.sock", "unix", "/run/greyglass/milter.sock", "unix:/run/greyglass/milter.sock"},
		{"unix:/run//greyglass/./milter.sock", "unix", "/run/greyglass/milter.sock", "unix:/run/greyglass/milter.sock"},
		{"unix:/run/a:b@c", "unix", "/run/a:b@c", "unix:/run/a:b@c"},
		{"unix:" + longest, "unix", longest, "unix:" + longest},

		{"inet:127.0.0.1:8895", "tcp4", "127.0.0.1:8895", "inet:127.0.0.1:8895"},
		{"inet:8895@127.0.0.1", "tcp4", "127.0.0.1:8895", "inet:127.0.0.1:8895"},
		{"inet:127.0.0.1:0", "tcp4", "127.0.0.1:0", "inet:127.0.0.1:0"},
		{"inet:0.0.0.0:8895", "tcp4", "0.0.0.0:8895", "inet:0.0.0.0:8895"},
		{"inet:08895@127.0.0.1", "tcp4", "127.0.0.1:8895", "inet:127.0.0.1:8895"},
		{"inet:[::1]:8895", "tcp6", "[::1]:8895", "inet6:[::1]:8895"},
		{"inet:8895@[::1]", "tcp6", "[::1]:8895", "inet6:[::1]:8895"},
		{"inet:8895@::1", "tcp6", "[::1]:8895", "inet6:[::1]:8895"},
		{"inet:[::ffff:127.0.0.1]:8895", "tcp4", "127.0.0.1:8895", "inet:127.0.0.1:8895"},
		{"inet:Localhost:8895", "tcp", "localhost:8895", "inet:localhost:8895"},
		{"inet:8895@mx_1.example.org", "tcp", "mx_1.example.org:8895", "inet:mx_1.example.org:8895"},

		{"inet6:[::1]:65535", "tcp6", "[::1]:65535", "inet6:[::1]:65535"},
		{"inet6:8895@::", "tcp6", "[::]:8895", "inet6:[::]:8895"},
		{"inet6:8895@localhost", "tcp6", "localhost:8895", "inet6:localhost:8895"},
		{"inet6:[fe80::1%eth0]:8895", "tcp6", "[fe80::1%eth0]:8895", "inet6:[fe80::1%eth0]:8895"},

		{"systemd:milter", "systemd", "milter", "systemd:milter"},
		{"systemd:greyglass-policy.socket", "systemd", "greyglass-policy.socket", "systemd:greyglass-policy.socket"},
	} {
		t.Run(c.in, func(t *testing.T) {
			got, err := ParseAddress(c.in)
			if err != nil {
				t.Fatal(err)
			}
			if want := (Address{c.network, c.addr}); got != want {
				t.Errorf("got %+v, want %+v", got, want)
			}
			if got.String() != c.canonical {
				t.Errorf("String() = %q, want %q", got, c.canonical)
			}
			if again, err := ParseAddress(got.String()); err != nil || again != got {
				t.Errorf("the canonical spelling reads as %+v, %v", again, err)
			}
		})
	}
}

func TestParseAddressMistakes(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"", `"" does not begin with a family; `},
		{"127.0.0.1:8895", `does not begin with a family; write inet:127.0.0.1:8895`},
		{"tcp:127.0.0.1:8895", `does not begin with a family; `},
		{"milter.sock", `does not begin with a family; `},

		{"unix:", `has no path; write unix:/`},
		{"unix:run/milter.sock", `has a relative path; write it in full`},
		{"local:@abstract", `has a relative path; `},
		{"/run/greyglass/", `names a folder; add the name of the socket`},
		{"unix:/" + strings.Repeat("a", maxSocketPath), `has a path of 108 bytes, and unix sockets allow 107; choose a shorter one`},
		{"unix:/run/a\x00b", `holds a NUL character; remove it`},

		{"inet:8895", `has no host; write inet:127.0.0.1:8895, or 0.0.0.0 or [::]`},
		{"inet6:8895", `has no host; write inet6:[::1]:8895, `},
		{"inet::8895", `has no host; write inet:127.0.0.1:8895, `},
		{"inet:8895@", `has no host; `},
		{"inet:", `has no port; `},
		{"inet:localhost", `has no port; write inet:127.0.0.1:8895`},
		{"inet6:[::1]", `has no port; write inet6:[::1]:8895`},
		{"inet:localhost:", `has "" for a port; `},
		{"inet:localhost:smtp", `has "smtp" for a port; write a number from 0 to 65535`},
		{"inet:65536@localhost", `has "65536" for a port; `},
		{"inet:-1@localhost", `has "-1" for a port; `},
		{"inet:::1:8895", `has an IPv6 address without brackets; write inet6:[::1]:8895`},
		{"inet:[::1:8895", `has an unmatched bracket; `},
		{"inet:[localhost]:8895", `has "localhost" in brackets, which is no IPv6 address; `},
		{"inet:[127.0.0.1]:8895", `has an IPv4 address in brackets, which are for IPv6; `},
		{"inet6:127.0.0.1:8895", `has an IPv4 address where inet6 wants an IPv6 one; write inet6:[::1]:8895`},
		{"inet6:8895@::ffff:127.0.0.1", `has an IPv4 address where inet6 wants an IPv6 one; `},
		{"inet:127.0.0.256:8895", `has "127.0.0.256" for a host, which is neither a name nor an address; `},
		{"inet:8895@*", `has "*" for a host, which is neither a name nor an address; `},
		{"inet:8895@a@b", `has "a@b" for a host, `},
		{"inet:8895@-x", `has "-x" for a host, `},

		{"systemd:", `has no name; write the FileDescriptorName= `},
		{"systemd:a b", `has a name with ' ' in it, `},
		{"systemd:" + strings.Repeat("a", maxSocketName+1), `has a name longer than 255 bytes; `},
	} {
		t.Run(c.in, func(t *testing.T) {
			got, err := ParseAddress(c.in)
			if err == nil {
				t.Fatalf("got %+v, want an error", got)
			}
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("got  %s\nwant %s", err, c.want)
			}
		})
	}
}
