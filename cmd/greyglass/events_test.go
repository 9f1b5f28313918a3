package main

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"greyglass/cmd/greyglass/internal/config"
)

// TestEventsAreDocumented: every message that is logged stands in its package's
// events.go and in greyglass-log(5).
func TestEventsAreDocumented(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("internal", "manual", "greyglass-log.5.md"))
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Join(strings.Fields(string(page)), " ")
	for message, level := range loggedEvents(t) {
		if level != "Debug" && !strings.Contains(text, "`"+message+"`") && !strings.Contains(text, "msg="+message+"`") {
			t.Errorf("greyglass-log(5) does not have %q", message)
		}
	}
}

// endOfTrouble are the events of level INFO that logcheck reports, as it has reported
// that the trouble began.
var endOfTrouble = map[string]bool{"database works again": true, "DNS works again": true}

// TestLogcheckRules: logcheck ignores the routine events, and no others.
func TestLogcheckRules(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(contrib, "logcheck", "greyglass"))
	if err != nil {
		t.Fatal(err)
	}
	var rules []*regexp.Regexp
	for line := range strings.Lines(string(text)) {
		rules = append(rules, regexp.MustCompile(strings.TrimSuffix(line, "\n")))
	}
	for message, level := range loggedEvents(t) {
		line := "Mar  1 09:14:05 mx greyglass[123]: " + rendered(t, level, message)
		ignored := false
		for _, rule := range rules {
			ignored = ignored || rule.MatchString(line)
		}
		if want := level == "Info" && !endOfTrouble[message]; ignored != want {
			t.Errorf("ignored: %v, want %v: %s", ignored, want, line)
		}
	}
}

// rendered is the line of an event in the log.
func rendered(t *testing.T, level, message string) string {
	var out bytes.Buffer
	log, handler := newLog(&out, false, config.Log{Level: "debug", Format: "text"})
	switch args := []any{"via", "milter", "error", "a: b"}; {
	case message == eventStopped:
		log.Info(message)
	case level == "Info":
		log.Info(message, args...)
	default:
		log.Log(t.Context(), slog.LevelWarn, message, args...)
	}
	if !handler.w.flush(time.Second) {
		t.Fatal("the log is not written")
	}
	return strings.TrimSpace(out.String())
}

// loggedEvents returns the messages that the program logs, each with the method that
// logs it: Debug, Info, Warn, Error; empty if the message is in a variable.
func loggedEvents(t *testing.T) map[string]string {
	t.Helper()
	root := filepath.Join("..", "..")
	events := make(map[string]string)
	for _, top := range []string{"greylist", "milter", "sqlstore", "cmd"} {
		err := filepath.WalkDir(filepath.Join(root, top), func(path string, d fs.DirEntry, err error) error {
			if err != nil || !d.IsDir() {
				return err
			}
			if name := d.Name(); name == "mtatest" || name == "storetest" || name == "testdata" {
				return filepath.SkipDir
			}
			eventsOf(t, path, events)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(events) < 40 {
		t.Fatalf("only %d events found", len(events))
	}
	return events
}

// eventsOf adds the events of the package in a folder.
func eventsOf(t *testing.T, folder string, events map[string]string) {
	names, err := filepath.Glob(filepath.Join(folder, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	files := make(map[string]*ast.File)
	constants := make(map[string]string)
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		files[name] = file
		ast.Inspect(file, func(n ast.Node) bool {
			if spec, ok := n.(*ast.ValueSpec); ok && strings.HasPrefix(spec.Names[0].Name, "event") && len(spec.Values) == 1 {
				if message, ok := literal(spec.Values[0]); ok && filepath.Base(name) == "events.go" {
					constants[spec.Names[0].Name] = message
					if _, known := events[message]; !known {
						events[message] = ""
					}
				}
			}
			return true
		})
	}
	for name, file := range files {
		ast.Inspect(file, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok || len(call.Args) == 0 {
				return true
			}
			method, ok := call.Fun.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			switch level := method.Sel.Name; level {
			case "LogAttrs":
				if at, ok := call.Args[1].(*ast.SelectorExpr); ok && at.Sel.Name == "LevelInfo" {
					note(t, name, "Info", call.Args[2], constants, events)
				}
			case "Debug", "Info", "Warn", "Error":
				note(t, name, level, call.Args[0], constants, events)
			}
			return true
		})
	}
}

// note adds the event of one call.
func note(t *testing.T, file, level string, message ast.Expr, constants, events map[string]string) {
	if text, ok := literal(message); ok {
		if filepath.Base(file) != "events.go" {
			t.Errorf("%s: %q belongs in events.go", file, text)
		}
		events[text] = level
	}
	if name, ok := message.(*ast.Ident); ok && constants[name.Name] != "" {
		events[constants[name.Name]] = level
	}
}

func literal(e ast.Expr) (string, bool) {
	l, ok := e.(*ast.BasicLit)
	if !ok || l.Kind != token.STRING {
		return "", false
	}
	text, err := strconv.Unquote(l.Value)
	return text, err == nil
}
