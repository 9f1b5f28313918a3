package main

import "testing"

func TestRelink(t *testing.T) {
	d := documentsOf(`
  - {src: "${STAGE}/greyglass", dst: /usr/sbin/greyglass, file_info: {mode: 0755}}
  - {src: "${STAGE}/contrib/greyglass.toml", dst: /etc/greyglass/greyglass.toml, type: config|noreplace}
  - {src: "${STAGE}/README.md", dst: /usr/share/doc/greyglass/README.md}
  - {src: "${STAGE}/contrib/howto.md", dst: /usr/share/doc/greyglass/howto.md}
  - {src: "${STAGE}/contrib/greyglass.toml", dst: /usr/share/doc/greyglass/examples/greyglass.toml}
  - {src: "${STAGE}/contrib/postfix/", dst: /usr/share/doc/greyglass/examples/postfix/, type: tree}
`)
	for _, c := range []struct{ page, text, want string }{
		{"README.md", "[how](contrib/howto.md#a) and [contrib/howto.md](contrib/howto.md)", "[how](howto.md#a) and [howto.md](howto.md)"},
		{"README.md", "[contrib/postfix](contrib/postfix/README.md).", "[examples/postfix](examples/postfix/README.md)."},
		{"README.md", "[contrib/greyglass.toml](contrib/greyglass.toml)", "[examples/greyglass.toml](examples/greyglass.toml)"},
		{"README.md", "[every key](contrib/greyglass.toml.md), [contrib/json.md](contrib/json.md)", "every key (`man 5 greyglass.toml`), `man 5 greyglass-json`"},
		{"README.md", "[a simulation](e2e/senders/RESULTS.md)", "a simulation (`e2e/senders/RESULTS.md` in the sources)"},
		{"contrib/howto.md", "[freebsd/greyglass](freebsd/greyglass) to", "`contrib/freebsd/greyglass` in the sources to"},
		{"contrib/howto.md", "![a picture](postfix/a.svg) [x](postfix/milter.cf)", "![a picture](examples/postfix/a.svg) [x](examples/postfix/milter.cf)"},
		{"contrib/postfix/README.md", "[README](../../README.md) [milter.cf](milter.cf)", "[README](../../README.md) [milter.cf](milter.cf)"},
		{"contrib/postfix/README.md", "[howto](../howto.md) <https://go.dev> [Go](https://go.dev)", "[howto](../../howto.md) <https://go.dev> [Go](https://go.dev)"},
	} {
		if got := d.relink(c.page, c.text); got != c.want {
			t.Errorf("%s: %s\ngot  %s\nwant %s", c.page, c.text, got, c.want)
		}
	}
}
