package pictures

import (
	"strings"
	"text/template"
	"unicode/utf8"
)

// Terminal draws what a command prints.
func Terminal(command, output string) ([]byte, error) {
	lines := append([]string{"# " + command}, strings.Split(strings.TrimRight(output, "\n"), "\n")...)
	columns := 0
	for _, line := range lines {
		columns = max(columns, utf8.RuneCountInString(line))
	}
	return draw(terminal, map[string]any{"Command": command, "Lines": lines, "Columns": columns})
}

var terminal = template.Must(template.New("terminal").Funcs(places).Parse(
	`<svg xmlns="http://www.w3.org/2000/svg" width="{{add 40 (mul .Columns 8)}}" height="{{add 34 (mul (len .Lines) 17)}}" viewBox="0 0 {{add 40 (mul .Columns 8)}} {{add 34 (mul (len .Lines) 17)}}">
<title>{{text .Command}}</title>
{{template "style"}}
<rect x="1" y="1" width="{{add 38 (mul .Columns 8)}}" height="{{add 32 (mul (len .Lines) 17)}}" rx="6" class="box"/>
{{range $i, $line := .Lines}}<text x="20" y="{{add 28 (mul $i 17)}}" class="mono" xml:space="preserve">{{text $line}}</text>
{{end}}</svg>
`))
