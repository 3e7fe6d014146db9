package nft

import (
	"fmt"
	"slices"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// What golang.org/x/sys/unix lacks of linux/netfilter/nf_tables.h, and where libnftnl puts comments (its udata.h).
const (
	attrChainUserData = 12 // NFTA_CHAIN_USERDATA
	objectCounter     = 1  // NFT_OBJECT_COUNTER
	counterPackets    = 2  // NFTA_COUNTER_PACKETS
	setCommentType    = 7  // NFTNL_UDATA_SET_COMMENT
	chainCommentType  = 0  // NFTNL_UDATA_CHAIN_COMMENT
)

// kernelListing reads a table from the kernel.
type kernelListing struct {
	Listing
	ID
	family byte
	conn   *netlink.Conn
	sets   []kernelSet
}

// kernelSet is a set or a map as the kernel describes it.
type kernelSet struct {
	name  string
	isMap bool
	shape setShape
}

// listKernel reads the table of the calling thread's network namespace from the kernel. The nft command would do as
// well, but 1.0.6 reads everybody's tables anew for each set, and does not understand all that it has written.
func listKernel(id ID) (Listing, error) {
	k, err := openListing(id)
	if err != nil {
		return Listing{}, err
	}
	defer k.close()
	there := false
	for _, step := range []struct {
		kind int
		read func(netlink.Message)
	}{
		{unix.NFT_MSG_GETTABLE, func(netlink.Message) { there = true }},
		{unix.NFT_MSG_GETCHAIN, k.addChain},
		{unix.NFT_MSG_GETRULE, k.addRule},
		{unix.NFT_MSG_GETSET, k.addSet},
		{unix.NFT_MSG_GETOBJ, k.addObject},
		{unix.NFT_MSG_GETFLOWTABLE, k.addFlowtable},
	} {
		if err := k.each(step.kind, step.read); err != nil {
			return Listing{}, err
		}
		if !there {
			return Listing{}, nil
		}
	}
	if err := k.addElements(); err != nil {
		return Listing{}, err
	}
	k.sort()
	return k.Listing, nil
}

// openListing returns a listing of nothing, on a socket of its own: there may be thousands of sets to read.
func openListing(id ID) (*kernelListing, error) {
	family, err := familyNumber(id.Family)
	if err != nil {
		return nil, err
	}
	conn, err := dial()
	if err != nil {
		return nil, err
	}
	return &kernelListing{ID: id, family: family, conn: conn, Listing: newListing()}, nil
}

func (k *kernelListing) close() { _ = k.conn.Close() }

// each reads all objects of a kind that are the table's. Attribute 1 is the table's name in all of them, and narrows
// down what the kernel dumps, where it knows how.
func (k *kernelListing) each(kind int, read func(netlink.Message)) error {
	of, err := encoded(func(e *netlink.AttributeEncoder) { e.String(unix.NFTA_TABLE_NAME, k.Name) })
	if err != nil {
		return err
	}
	replies, err := dumpOn(k.conn, kind, k.family, of)
	if err != nil {
		return err
	}
	for _, m := range replies {
		if len(m.Data) >= nfgenmsgSize && m.Data[0] == k.family && tableOf(m) == k.Name {
			read(m)
		}
	}
	return nil
}

func (k *kernelListing) addChain(m netlink.Message) {
	c, hooked := parseBaseChain(m)
	shape := chainShape{comment: commentIn(raw(m)[attrChainUserData], chainCommentType)}
	if hooked {
		shape.kind, shape.hook, shape.priority, shape.drops = c.Type, c.Hook, c.Priority, c.Drops
	}
	k.names["chain"] = append(k.names["chain"], c.Chain)
	k.chains[c.Chain] = shape
}

func (k *kernelListing) addRule(m netlink.Message) {
	v := raw(m)
	chain := v.text(unix.NFTA_RULE_CHAIN)
	k.comments[chain] = append(k.comments[chain], commentIn(v[unix.NFTA_RULE_USERDATA], ruleCommentType))
}

func (k *kernelListing) addSet(m netlink.Message) {
	v := raw(m)
	flags := v.number(unix.NFTA_SET_FLAGS)
	if flags&unix.NFT_SET_ANONYMOUS != 0 {
		return
	}
	s := kernelSet{name: v.text(unix.NFTA_SET_NAME), isMap: flags&unix.NFT_SET_MAP != 0, shape: setShape{
		comment:  commentIn(v[unix.NFTA_SET_USERDATA], setCommentType),
		key:      v.number(unix.NFTA_SET_KEY_TYPE),
		interval: flags&unix.NFT_SET_INTERVAL != 0,
		dynamic:  flags&unix.NFT_SET_EVAL != 0,
		timeout:  uint32(v.long(unix.NFTA_SET_TIMEOUT) / 1000),
		size:     valuesOf(v[unix.NFTA_SET_DESC]).number(unix.NFTA_SET_DESC_SIZE),
	}}
	kind := "set"
	if s.isMap {
		kind = "map"
		s.shape.data = v.number(unix.NFTA_SET_DATA_TYPE)
		if s.shape.data == unix.NFT_DATA_VERDICT {
			s.shape.data, s.shape.verdict = 0, true
		}
	}
	k.names[kind] = append(k.names[kind], s.name)
	k.shapes[s.name] = s.shape
	k.sets = append(k.sets, s)
}

func (k *kernelListing) addObject(m netlink.Message) {
	v := raw(m)
	kind := "counter"
	if number := v.number(unix.NFTA_OBJ_TYPE); number != objectCounter {
		kind = fmt.Sprintf("object %d", number)
	}
	k.names[kind] = append(k.names[kind], v.text(unix.NFTA_OBJ_NAME))
}

func (k *kernelListing) addFlowtable(m netlink.Message) {
	const name = 2 // NFTA_FLOWTABLE_NAME
	k.names["flowtable"] = append(k.names["flowtable"], raw(m).text(name))
}

// addElements reads the elements of sets, then of maps, in the order of their names.
func (k *kernelListing) addElements() error {
	slices.SortFunc(k.sets, func(a, b kernelSet) int { return compareSets(a, b) })
	for _, s := range k.sets {
		if s.shape.dynamic {
			continue
		}
		elements, err := k.elements(s.name)
		if err != nil {
			return fmt.Errorf("set %s: %w", s.name, err)
		}
		k.Elements = append(k.Elements, s.texts(elements)...)
	}
	return nil
}

// elements reads what is in a set, in no order.
func (k *kernelListing) elements(set string) ([]kernelElement, error) {
	of, err := encoded(func(e *netlink.AttributeEncoder) {
		e.String(unix.NFTA_SET_ELEM_LIST_TABLE, k.Name)
		e.String(unix.NFTA_SET_ELEM_LIST_SET, set)
	})
	if err != nil {
		return nil, err
	}
	replies, err := dumpOn(k.conn, unix.NFT_MSG_GETSETELEM, k.family, of)
	if err != nil {
		return nil, err
	}
	var all []kernelElement
	for _, m := range replies {
		all = append(all, parseElements(raw(m)[unix.NFTA_SET_ELEM_LIST_ELEMENTS])...)
	}
	return all, nil
}

// countKernel reads the named counters of the table, in packets; nil where there is no table.
func countKernel(id ID) (map[string]uint64, error) {
	k, err := openListing(id)
	if err != nil {
		return nil, err
	}
	defer k.close()
	if there, err := k.there(); !there {
		return nil, err
	}
	packets := map[string]uint64{}
	return packets, k.each(unix.NFT_MSG_GETOBJ, func(m netlink.Message) {
		if v := raw(m); v.number(unix.NFTA_OBJ_TYPE) == objectCounter {
			packets[v.text(unix.NFTA_OBJ_NAME)] = valuesOf(v[unix.NFTA_OBJ_DATA]).long(counterPackets)
		}
	})
}

func raw(m netlink.Message) values {
	if len(m.Data) < nfgenmsgSize {
		return nil
	}
	return valuesOf(m.Data[nfgenmsgSize:])
}

// Exists reports whether the table is there.
func (t *Table) Exists() (there bool, err error) {
	k, err := openListing(t.ID)
	if err != nil {
		return false, err
	}
	defer k.close()
	if there, err = k.there(); err != nil {
		return false, fmt.Errorf("look up nftables table %v: %w", t.ID, err)
	}
	return there, nil
}

func (k *kernelListing) there() (there bool, err error) {
	err = k.each(unix.NFT_MSG_GETTABLE, func(netlink.Message) { there = true })
	return there, err
}
