package pictures

import (
	"bytes"
	"encoding/xml"
	"text/template"
)

// places are the functions of the templates.
var places = template.FuncMap{
	"add": func(a, b int) int { return a + b },
	"mul": func(a, b int) int { return a * b },
	"at":  func(y int, answers []string) any { return map[string]any{"Y": y, "Answers": answers} },
	"text": func(s string) (string, error) {
		var b bytes.Buffer
		err := xml.EscapeText(&b, []byte(s))
		return b.String(), err
	},
}

// draw draws a template, with the style of all pictures.
func draw(t *template.Template, data any) ([]byte, error) {
	t, err := template.Must(t.Clone()).Parse(`{{define "style"}}<style>
text { font: 14px sans-serif; fill: #1f2328 }
.head { font-weight: bold }
.reason, .small, .mono { font: 12px monospace }
.answer { text-anchor: middle; fill: #ffffff }
.box { fill: #eef1f4; stroke: #8c959f }
.line { stroke: #8c959f; fill: none }
.accept { fill: #1a7f37 } .defer { fill: #9a6700 } .deny { fill: #b62324 }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 } .answer { fill: #ffffff }
  .box { fill: #212830; stroke: #6e7681 }
}
</style>{{end}}`)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	err = t.Execute(&b, data)
	return b.Bytes(), err
}
