package main

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/dustin/go-humanize"
	"golang.org/x/term"
)

// console is how a command speaks: its result on stdout when it has ended,
// everything else on stderr.
type console struct {
	json   bool
	log    *slog.Logger
	result result // nil until the command has one

	onTerminal bool // stderr is one
	mu         sync.Mutex
	stderr     io.Writer // what draws the progress bar, while there is one
}

// result is what a command gives: a text for people, or JSON.
type result interface{ writeText(w io.Writer) error }

func newConsole(json bool) *console {
	c := &console{json: json, stderr: os.Stderr, onTerminal: term.IsTerminal(int(os.Stderr.Fd()))}
	level := slog.LevelInfo
	if c.onTerminal {
		level = slog.LevelWarn // the bar and the result say the rest
	}
	c.log = slog.New(slog.NewTextHandler(c, &slog.HandlerOptions{Level: level}))
	return c
}

// Write is where log lines go: above the progress bar.
func (c *console) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.stderr.Write(p)
}

func (c *console) divert(w io.Writer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stderr = w
}

// wantsJSON looks for --json before the arguments are parsed, because what is
// wrong with them is told as JSON, too.
func wantsJSON(args []string) bool {
	if on, _ := strconv.ParseBool(os.Getenv("COFRE_JSON")); on {
		return true
	}
	return slices.Contains(args, "--json")
}

// outcome is the document of --json.
type outcome struct {
	Command string `json:"command"` // "" where the arguments could not be parsed
	Exit    int    `json:"exit"`
	Error   string `json:"error,omitempty"`
	Result  result `json:"result,omitempty"`
}

// finish prints the result, then the error, and returns the exit code.
func (c *console) finish(command string, err error) int {
	o := outcome{Command: command, Exit: exitCode(err), Result: c.result}
	if err != nil {
		o.Error = redact(err.Error())
	}
	if err := c.print(&o); err != nil {
		fmt.Fprintln(os.Stderr, "cofre:", err)
		o.Exit = max(o.Exit, exitFailed)
	}
	if err != nil {
		fmt.Fprintln(visible{os.Stderr}, "cofre:", o.Error)
	}
	if o.Exit == exitUsage && command == "" {
		fmt.Fprintln(os.Stderr, `Run "cofre --help", or "cofre COMMAND --help".`)
	}
	return o.Exit
}

func (c *console) print(o *outcome) error {
	if c.json {
		enc := json.NewEncoder(os.Stdout)
		enc.SetEscapeHTML(false)
		enc.SetIndent("", "  ")
		return enc.Encode(o)
	}
	if o.Result == nil {
		return nil
	}
	return o.Result.writeText(os.Stdout)
}

// size is a number of bytes for people.
func size(bytes int64) string { return humanize.IBytes(uint64(max(bytes, 0))) }

// duration is a duration for people.
func duration(d time.Duration) string {
	if d < 10*time.Second {
		return d.Round(10 * time.Millisecond).String()
	}
	return d.Round(time.Second).String()
}

// count is a number and what is counted.
func count(n int64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return humanize.Comma(n) + " " + many
}

// visible writes text that has lines, and shows what else could move a
// terminal's cursor, as names in it may.
type visible struct{ io.Writer }

func (v visible) Write(text []byte) (int, error) {
	var b strings.Builder
	for _, r := range string(text) {
		if unicode.IsControl(r) && r != '\n' && r != '\t' {
			quoted := strconv.QuoteRuneToASCII(r)
			b.WriteString(quoted[1 : len(quoted)-1])
			continue
		}
		b.WriteRune(r)
	}
	if _, err := io.WriteString(v.Writer, b.String()); err != nil {
		return 0, err
	}
	return len(text), nil
}

// plain is a name out of a database, which may hold what moves a terminal's
// cursor.
func plain(name string) string {
	if !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl) {
		return strconv.Quote(name)
	}
	return name
}
