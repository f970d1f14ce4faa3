package main

import (
	"fmt"
	"iter"
	"regexp"
	"strings"
	"time"

	"github.com/muesli/roff"
)

// A command is one of what `vxmesh help --json` lists.
type command struct {
	Name, Usage, Short, Long, Example string
	Flags                             []flag
	Commands                          []command
}

// A flag is one of a command's.
type flag struct {
	Name, Shorthand, Type, Default, Usage string
}

// A book is what all pages share.
type book struct {
	version string
	date    time.Time
	global  []flag // of every command
}

// pages gives each page with the name of its file.
func (b *book) pages(root command) iter.Seq2[string, string] {
	return func(yield func(string, string) bool) { b.each(root, root.Name, "", yield) }
}

// each gives the pages of a command and of those below it. Name is that of the page, parent of the one
// above; "" for none.
func (b *book) each(c command, name, parent string, yield func(string, string) bool) bool {
	if !yield(name+".1", b.page(c, name, parent)) {
		return false
	}
	for _, sub := range c.Commands {
		if !b.each(sub, name+"-"+sub.Name, name, yield) {
			return false
		}
	}
	return true
}

// released takes from a version what only a build between two releases has: the head of a page has no
// room for it.
var released = regexp.MustCompile(`(-|\.|-0\.)[0-9]{14}-[0-9a-f]{12}.*|\+.*`)

// A page grows by pieces: roff's own, and blocks of lines that stay as they are, which it has none of.
type page struct {
	*roff.Document
	before strings.Builder
}

func newPage() *page { return &page{Document: roff.NewDocument()} }

// lines adds lines as they are.
func (p *page) lines(text string) {
	p.before.WriteString(strings.TrimRight(p.Document.String(), "\n"))
	p.before.WriteString("\n.PP\n.nf\n")
	for line := range strings.Lines(text) {
		p.before.WriteString(`\&` + escape(strings.TrimRight(line, "\n")) + "\n")
	}
	p.before.WriteString(".fi\n")
	p.Document = roff.NewDocument()
}

// escape keeps a text from being commands. A hyphen is one that can be copied.
func escape(text string) string {
	return strings.NewReplacer(`\`, `\e`, "-", `\-`, "'", `\(aq`, "`", `\(ga`).Replace(text)
}

// prose adds paragraphs. One that has columns stays as it is.
func (p *page) prose(text string) {
	for i, paragraph := range strings.Split(strings.TrimSpace(text), "\n\n") {
		if strings.Contains(strings.ReplaceAll(paragraph, "\n  ", "\n"), "  ") {
			p.lines(paragraph)
			continue
		}
		if i > 0 {
			p.Paragraph()
		}
		p.Text(strings.Join(strings.Fields(paragraph), " "))
	}
}

func (p *page) String() string {
	return strings.TrimRight(p.before.String()+strings.TrimRight(p.Document.String(), "\n"), "\n") + "\n"
}

func (b *book) page(c command, name, parent string) string {
	p := newPage()
	p.Heading(1, name, "vxmesh "+released.ReplaceAllString(b.version, ""), b.date)
	p.Section("Name")
	p.Text(name + " - " + strings.TrimPrefix(c.Short, "vxmesh "))
	p.Section("Synopsis")
	called := strings.ReplaceAll(name, "-", " ")
	p.TextBold(called)
	p.Text(strings.TrimPrefix(c.Usage, called))
	if len(c.Commands) > 0 && parent == "" {
		p.Text(" COMMAND")
	}
	p.Section("Description")
	if c.Long != "" {
		p.prose(c.Long)
	} else {
		p.Text(c.Short + ".")
	}
	if c.Example != "" {
		p.Section("Examples")
		p.lines(c.Example)
	}
	if parent == "" {
		c.Flags = nil // they are among those of every command
	}
	p.flags("Options", c.Flags)
	p.flags("Options of every command", b.global)
	p.commands(c, name)
	p.Section("Exit status")
	p.Text("0 when it did what it was asked, else a number that says why not: vxmesh help exit-codes.")
	p.Section("See also")
	also := []string{"vxmesh.toml(5)", "vxmesh-help(1)"}
	if parent != "" {
		also = append([]string{parent + "(1)"}, also...)
	}
	p.Text(strings.Join(also, ", "))
	return p.String()
}

func (p *page) flags(title string, flags []flag) {
	if len(flags) == 0 {
		return
	}
	p.Section(title)
	for _, f := range flags {
		p.TaggedParagraph(-1)
		names, usage := "--"+f.Name, f.Usage
		if f.Shorthand != "" {
			names = "-" + f.Shorthand + ", " + names
		}
		p.TextBold(names)
		if f.Type != "bool" {
			value := strings.ToUpper(f.Type)
			if before, named, ok := strings.Cut(usage, "`"); ok { // as pflag has it
				inner, after, _ := strings.Cut(named, "`")
				value, usage = inner, before+inner+after
			}
			p.Text(" ")
			p.TextItalic(value)
		}
		p.EndSection()
		if f.Default != "" && f.Default != "false" && f.Default != "[]" && f.Default != "0" && f.Default != "0s" {
			usage += fmt.Sprintf(" (default %s)", f.Default)
		}
		p.Text(usage)
	}
}

func (p *page) commands(c command, name string) {
	if len(c.Commands) == 0 {
		return
	}
	p.Section("Commands")
	for _, sub := range c.Commands {
		p.TaggedParagraph(-1)
		p.TextBold(name + "-" + sub.Name + "(1)")
		p.EndSection()
		p.Text(sub.Short)
	}
}
