// Package readme reads commands and files from the README, so that tests run what users copy. It knows nothing about
// what they do.
package readme

import (
	"regexp"
	"strings"
)

// Document is what of the README can be run.
type Document struct {
	// Commands are those in code blocks, in order.
	Commands []Command
	// Inline are commands that the text mentions between backquotes, each once, in order.
	Inline []string
	// Files are the contents of files that code blocks show, by the path in their first line.
	Files map[string]string
}

// Command is one command of a code block.
type Command struct {
	// Section is the heading of the second level above it; empty before the first.
	Section string
	// Text is what a shell takes. It has several lines where the README continues it with the prompt ">".
	Text string
	// OnNode is whether root runs it on a node; the others run where kubectl works.
	OnNode bool
}

// prompts begin commands in console blocks; more continues one.
const (
	userPrompt = "$ "
	nodePrompt = "node# "
	more       = "> "
)

// In reports whether the command is in one of these sections.
func (c Command) In(sections ...string) bool {
	for _, s := range sections {
		if c.Section == s {
			return true
		}
	}
	return false
}

// Parse reads a README in the Markdown that this project writes: indented blocks are commands, one to a line; "console"
// blocks are commands behind prompts, and their output; "yaml" blocks are files, whose first line is a comment with the
// path.
func Parse(text string) Document {
	p := parser{document: Document{Files: map[string]string{}}, mentioned: map[string]bool{}}
	for line := range strings.Lines(text) {
		p.line(strings.TrimRight(line, "\n"))
	}
	return p.document
}

type parser struct {
	document  Document
	mentioned map[string]bool
	section   string
	// fence is the kind of the code block that is open, file the path of the file in it; indentation is the block's.
	fence, file string
	indentation int
	// content is where the text of the list item begins; 0 outside of lists.
	content int
}

var (
	fenced = regexp.MustCompile("^( *)```([a-z]*)$")
	item   = regexp.MustCompile(`^ *(?:[-*]|\d+\.) +`)
	// comment is what an indented block says beside a command.
	comment = regexp.MustCompile(`\s+# .*$`)
	span    = regexp.MustCompile("`((?:curl|go|helm|ip|kubectl|make|nft|ping|tcpdump|warren|wg) [^`]+)`")
)

func (p *parser) line(line string) {
	match := fenced.FindStringSubmatch(line)
	switch {
	case match != nil && p.fence == "":
		p.fence, p.indentation, p.file = match[2], len(match[1]), ""
	case match != nil:
		p.fence = ""
	case p.fence == "console":
		p.console(line)
	case p.fence == "yaml":
		p.yaml(line[min(p.indentation, len(line)):])
	default:
		p.text(line)
	}
}

func (p *parser) console(line string) {
	if text, ok := strings.CutPrefix(line, userPrompt); ok {
		p.command(text, false)
	} else if text, ok := strings.CutPrefix(line, nodePrompt); ok {
		p.command(text, true)
	} else if text, ok := strings.CutPrefix(line, more); ok && len(p.document.Commands) > 0 {
		p.document.Commands[len(p.document.Commands)-1].Text += "\n" + text
	}
}

func (p *parser) command(text string, onNode bool) {
	p.document.Commands = append(p.document.Commands, Command{Section: p.section, Text: text, OnNode: onNode})
}

func (p *parser) yaml(line string) {
	if p.file == "" {
		p.file = strings.TrimPrefix(line, "# ")
		return
	}
	p.document.Files[p.file] += line + "\n"
}

// text reads prose, headings and indented blocks.
func (p *parser) text(line string) {
	trimmed := strings.TrimLeft(line, " ")
	indentation := len(line) - len(trimmed)
	if title, ok := strings.CutPrefix(line, "## "); ok {
		p.section, p.content = title, 0
		return
	}
	if marker := item.FindString(line); marker != "" {
		p.content = len(marker)
	} else if indentation == 0 && trimmed != "" {
		p.content = 0
	}
	if trimmed != "" && indentation >= p.content+4 {
		p.command(comment.ReplaceAllString(trimmed, ""), false)
		return
	}
	for _, match := range span.FindAllStringSubmatch(line, -1) {
		if !p.mentioned[match[1]] {
			p.mentioned[match[1]] = true
			p.document.Inline = append(p.document.Inline, match[1])
		}
	}
}
