package nft

import (
	"slices"
	"strings"
)

// Diff returns what makes the listed table the layout. It is not ok where no edit does, and the table has to be
// replaced: it is not there, was made from something else, or has been tampered with. What is equal costs nothing: one
// that is as the layout has it needs an empty edit, whichever edits brought it there. Elements of dynamic sets are
// left alone.
func Diff(have Listing, want Layout) (edit Edit, ok bool) {
	d := differ{have: have, want: want}
	if origin, ok := have.Origin(); !ok || origin != want.Origin || !d.objects() {
		return Edit{}, false
	}
	if !d.chains() || !d.sets() {
		return Edit{}, false
	}
	d.elements()
	return d.edit, true
}

type differ struct {
	have Listing
	want Layout
	edit Edit
}

// objects reports whether all that no edit changes is as it should be.
func (d *differ) objects() bool {
	want := d.want.listing()
	for kind, names := range d.have.names {
		switch kind {
		case "set", "map", "chain":
		default:
			if !slices.Equal(names, want.names[kind]) {
				return false
			}
		}
	}
	return slices.Equal(d.have.names["counter"], want.names["counter"])
}

// chains finds the chains that come and go; it reports false where one that stays has changed, or one with a hook comes
// or goes.
func (d *differ) chains() bool {
	gone := setOf(d.have.names["chain"])
	delete(gone, identityChain)
	want := d.want.listing()
	for _, c := range d.want.Chains {
		if !gone[c.Name] {
			if c.Hook != "" {
				return false
			}
			d.edit.Chains = append(d.edit.Chains, c)
			continue
		}
		delete(gone, c.Name)
		shape, known := d.have.chains[c.Name]
		if known && shape != c.shape(d.want.Family) || !slices.Equal(d.have.comments[c.Name], want.comments[c.Name]) {
			return false
		}
	}
	for name := range gone {
		if d.have.chains[name].hook != "" {
			return false
		}
	}
	d.edit.DropChains = sortedNames(gone)
	return true
}

// sets finds the sets and maps that come and go, and reports false where one that stays is another than it should be.
func (d *differ) sets() bool {
	gone := setOf(d.have.names["set"])
	for _, s := range d.want.Sets {
		if !gone[s.Name] {
			d.edit.Sets = append(d.edit.Sets, s)
			continue
		}
		delete(gone, s.Name)
		if shape, known := d.have.shapes[s.Name]; known && !shape.fits(s.shape()) {
			return false
		}
	}
	d.edit.DropSets = sortedNames(gone)
	gone = setOf(d.have.names["map"])
	for _, m := range d.want.Maps {
		if !gone[m.Name] {
			d.edit.Maps = append(d.edit.Maps, m)
			continue
		}
		delete(gone, m.Name)
		if shape, known := d.have.shapes[m.Name]; known && !shape.fits(m.shape()) {
			return false
		}
	}
	d.edit.DropMaps = sortedNames(gone)
	return true
}

// elements finds the elements that come and go. Those of a set that goes are not named; those of a map are, because of
// the chains that they refer to.
func (d *differ) elements() {
	dropped := setOf(d.edit.DropSets)
	gone := map[string]Element{}
	for _, e := range d.have.Elements {
		if !dropped[e.Set] {
			gone[e.id()] = e
		}
	}
	for _, e := range d.want.Elements {
		old, there := gone[e.id()]
		delete(gone, e.id())
		if there && slices.Equal(old.Value, e.Value) {
			continue
		}
		if there {
			d.edit.Remove = append(d.edit.Remove, old)
		}
		d.edit.Add = append(d.edit.Add, e)
	}
	for _, e := range d.have.Elements {
		if _, still := gone[e.id()]; still {
			d.edit.Remove = append(d.edit.Remove, e)
		}
	}
}

// id identifies an element in its table, whatever its value is.
func (e Element) id() string {
	var b strings.Builder
	b.WriteString(e.Set + " " + e.Map)
	for _, part := range e.Key {
		b.WriteString(" " + canonical(part))
	}
	return b.String()
}

func setOf(names []string) map[string]bool {
	set := make(map[string]bool, len(names))
	for _, name := range names {
		set[name] = true
	}
	return set
}

func sortedNames(set map[string]bool) (names []string) {
	for name := range set {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
