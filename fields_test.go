package warren

import (
	"encoding"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"warren.mesh/mesh/explain"
	"warren.mesh/mesh/status"
	"warren.mesh/mesh/view"
)

var updateFields = flag.Bool("update", false, "write docs/json.md anew")

// documents are those that commands write, by kind.
var documents = []struct {
	kind, by string
	document any
}{
	{status.ReportKind, "`warren status`, `peers` and `doctor`", view.NodeDocument{}},
	{status.ClusterKind, "`kubectl warren status`, `peers` and `doctor`", view.ClusterDocument{}},
	{status.PingKind, "`warren ping`", view.PingDocument{}},
	{view.PingsKind, "`kubectl warren ping`", view.PingsDocument{}},
	{explain.Kind, "`warren explain`", explain.Explanation{}},
	{explain.WaysKind, "`kubectl warren explain`", explain.Ways{}},
	{view.PlanKind, "`kubectl warren plan`", view.PlanDocument{}},
}

const fieldsHead = "# Documents for programs\n\n" +
	"With `-o json` or `-o yaml` these commands write one document. They exit with 0 if all is well, 1 with a\n" +
	"finding, 2 after wrong usage, 3 if something could not be told. After wrong usage, such as the name of a Node\n" +
	"that is none, there is no document. `apiVersion` is `" + status.APIVersion + "`: fields are added within it,\n" +
	"and none changes its meaning, so leave those alone that you do not know. What is absent was not read, or is\n" +
	"zero or empty.\n\n" +
	"This page is made from the code: `go test . -run '^TestFieldsPage$' -update`.\n"

// TestFieldsPage: docs/json.md has every field of every document, with what the code says of it, and no other.
func TestFieldsPage(t *testing.T) {
	p := fieldsPage{t: t, comments: map[string]map[string]string{}, done: map[reflect.Type]bool{}}
	p.WriteString(fieldsHead)
	for _, d := range documents {
		fmt.Fprintf(&p, "\n## %s\n\nBy %s.\n\n", d.kind, d.by)
		p.table(reflect.TypeOf(d.document))
	}
	p.WriteString("\n## Objects\n")
	for len(p.objects) > 0 {
		object := p.objects[0]
		p.objects = p.objects[1:]
		fmt.Fprintf(&p, "\n### %s\n\n", title(object))
		p.table(object)
	}
	const file = "docs/json.md"
	if *updateFields {
		if err := os.WriteFile(file, []byte(p.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(p.String(), string(got)); diff != "" {
		t.Errorf("%s is not of this code: go test . -run '^TestFieldsPage$' -update (-want +got):\n%s", file, diff)
	}
}

// fieldsPage is the page as far as it is written.
type fieldsPage struct {
	strings.Builder
	t *testing.T
	// comments are those of the fields of a package's types, and the values of its types, by "Type.Field" and "Type".
	comments map[string]map[string]string
	// objects are still to be written, and done are those that are or will be.
	objects []reflect.Type
	done    map[reflect.Type]bool
}

func (p *fieldsPage) table(object reflect.Type) {
	p.WriteString("| field | type | meaning |\n| --- | --- | --- |\n")
	p.rows(object)
}

func (p *fieldsPage) rows(object reflect.Type) {
	comment := ""
	for i := range object.NumField() {
		f := object.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case f.Anonymous && name == "":
			p.rows(f.Type)
		case name == "-":
		case name == "":
			p.t.Errorf("%v.%s has no name in documents", object, f.Name)
		default:
			// One comment may speak of several fields, those that follow.
			if own := p.of(object)[object.Name()+"."+f.Name]; own != "" || !mentions(comment, f.Name) {
				comment = own
			}
			fmt.Fprintf(p, "| `%s` | %s | %s |\n", name, p.kind(f.Type), p.meaning(object, comment))
		}
	}
}

func mentions(comment, field string) bool {
	return regexp.MustCompile(`\b` + field + `\b`).MatchString(comment)
}

// meaning returns a comment with the fields of the object called as documents call them.
func (p *fieldsPage) meaning(object reflect.Type, comment string) string {
	for i := range object.NumField() {
		f := object.Field(i)
		if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); name != "" && name != "-" {
			// Once: a Node is also what Kubernetes calls so.
			if at := regexp.MustCompile(`\b` + f.Name + `\b`).FindStringIndex(comment); at != nil {
				comment = comment[:at[0]] + "`" + name + "`" + comment[at[1]:]
			}
		}
	}
	return strings.NewReplacer("|", `\|`, "nil ", "absent ").Replace(comment)
}

var (
	text      = reflect.TypeFor[encoding.TextMarshaler]()
	wallClock = reflect.TypeFor[time.Time]()
)

// kind says what a value is in a document.
func (p *fieldsPage) kind(v reflect.Type) string {
	switch {
	case v == wallClock:
		return "time, RFC 3339"
	case v == reflect.TypeFor[time.Duration]():
		return "nanoseconds"
	case v.Implements(text):
		return "text"
	}
	switch v.Kind() {
	case reflect.Pointer:
		return p.kind(v.Elem())
	case reflect.Slice:
		return "list of " + p.kind(v.Elem())
	case reflect.Map:
		return "object with " + p.kind(v.Elem()) + " by name"
	case reflect.Bool:
		return "boolean"
	case reflect.String:
		if values := p.of(v)[v.Name()]; values != "" && v != reflect.TypeFor[status.Step]() { // which others name too
			return values
		}
		return "text"
	case reflect.Struct:
		if !p.done[v] {
			p.done[v] = true
			p.objects = append(p.objects, v)
		}
		return "[" + title(v) + "](#" + strings.ToLower(strings.ReplaceAll(title(v), ".", "")) + ")"
	default:
		return "number"
	}
}

// title returns a type's name with its package's: some packages have types of one name.
func title(v reflect.Type) string { return v.String() }

// of returns the comments and values of the package of a type; none of a type without one.
func (p *fieldsPage) of(v reflect.Type) map[string]string {
	path, inside := strings.CutPrefix(v.PkgPath(), "warren.mesh/")
	if !inside {
		return nil
	}
	if p.comments[path] == nil {
		p.comments[path] = commentsIn(p.t, path)
	}
	return p.comments[path]
}

// mostValues is how many values a field's type may have to be listed.
const mostValues = 8

func commentsIn(t *testing.T, dir string) map[string]string {
	t.Helper()
	all, values := map[string]string{}, map[string][]string{}
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range parsed.Decls {
			if g, ok := d.(*ast.GenDecl); ok {
				for _, s := range g.Specs {
					collect(s, all, values)
				}
			}
		}
	}
	for name, list := range values {
		if len(list) <= mostValues {
			all[name] = strings.Join(list, ", ")
		}
	}
	return all
}

// collect takes the comments of a struct's fields, or the value of a constant that has a type.
func collect(s ast.Spec, comments map[string]string, values map[string][]string) {
	switch s := s.(type) {
	case *ast.TypeSpec:
		object, ok := s.Type.(*ast.StructType)
		if !ok {
			return
		}
		for _, f := range object.Fields.List {
			for _, name := range f.Names {
				comments[s.Name.Name+"."+name.Name] = strings.Join(strings.Fields(f.Doc.Text()), " ")
			}
		}
	case *ast.ValueSpec:
		name, ok := s.Type.(*ast.Ident)
		if !ok || len(s.Values) != 1 {
			return
		}
		if v, ok := s.Values[0].(*ast.BasicLit); ok && v.Kind == token.STRING {
			if value, err := strconv.Unquote(v.Value); err == nil {
				values[name.Name] = append(values[name.Name], "`"+value+"`")
			}
		}
	}
}
