package nft

import (
	"errors"
	"slices"
	"strings"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// The most elements of one message, whose attributes hold 64 KiB at most, and of one transaction without the command.
const (
	messageElements = 200
	quickElements   = 1000
)

// errNotQuick says that an edit takes the nft command.
var errNotQuick = errors.New("an edit for the nft command")

// quick makes edits of elements alone by one netlink transaction: what a pod's event and a pod's attachment are. The
// nft command would start a process, which reads all sets of the table first, and with nft 1.0.6 those of everybody's
// tables. An error says that the kernel has not confirmed the edit, not why: the command says that, or does it after
// all.
func quick(tables []*Table, edits []Edit) error {
	count, end := 0, leave
	for i, e := range edits {
		count += len(e.Remove) + len(e.Add)
		if len(e.Flush) > 0 {
			end = settle
		}
		if !tables[i].quick || !e.elementsOnly() || count > quickElements {
			return errNotQuick
		}
	}
	return quickly(tables, end, func(i int, w *elementWriter) error { return w.edit(edits[i]) })
}

// quickly makes one netlink transaction of what write writes for each table, by one socket, which end closes.
func quickly(tables []*Table, end func(*netlink.Conn), write func(table int, w *elementWriter) error) error {
	conn, err := dial()
	if err != nil {
		return err
	}
	defer end(conn)
	var batch []netlink.Message
	for i, t := range tables {
		w := elementWriter{ID: t.ID, conn: conn, sets: map[string]kernelSet{}}
		if w.family, err = familyNumber(w.Family); err != nil {
			return err
		}
		if err := write(i, &w); err != nil {
			return err
		}
		batch = append(batch, w.batch...)
	}
	return recorded(tables, func() (uint32, error) { return generationOn(conn) }, func() error {
		tables[0].written()
		return transactOn(conn, batch)
	})
}

// settle closes the socket of a transaction. On many kernels that waits until what transactions have removed is freed,
// and so until no packet is judged by the rules from before them (nft_rcv_nl_event of Linux, and the RCU grace period
// for which nf_tables_trans_destroy_work waits): 5 to 25 ms on a busy machine.
func settle(conn *netlink.Conn) { _ = conn.Close() }

// leave closes the socket of a transaction without that wait: what it changed has been in force since the kernel's
// answer. A transaction that flushes sets is settled instead, because it withdraws something.
func leave(conn *netlink.Conn) { go settle(conn) }

// quickAgain is quick for elements that may be there already, or be absent.
func (t *Table) quickAgain(add, remove []Element) error {
	if !t.quick || len(add)+2*len(remove) > quickElements {
		return errNotQuick
	}
	return quickly([]*Table{t}, settle, func(_ int, w *elementWriter) error {
		return errors.Join(
			w.elements(unix.NFT_MSG_NEWSETELEM, netlink.Create, add),
			// Deleting what is absent is an error, adding what is there is not.
			w.elements(unix.NFT_MSG_NEWSETELEM, netlink.Create, remove),
			w.elements(unix.NFT_MSG_DELSETELEM, 0, remove),
		)
	})
}

// quickDelete deletes the table, which may be absent.
func (t *Table) quickDelete() error {
	family, err := familyNumber(t.Family)
	if err != nil {
		return err
	}
	name, err := encoded(func(a *netlink.AttributeEncoder) { a.String(unix.NFTA_TABLE_NAME, t.Name) })
	if err != nil {
		return err
	}
	err = t.own.record(func() error {
		t.written()
		return transact(message(unix.NFT_MSG_DELTABLE, family, netlink.Request, name))
	})
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	return err
}

func (e Edit) elementsOnly() bool {
	return len(e.Sets)+len(e.Maps)+len(e.Chains)+len(e.DropChains)+len(e.DropMaps)+len(e.DropSets) == 0
}

// elementWriter writes messages that change elements of a table.
type elementWriter struct {
	ID
	family byte
	conn   *netlink.Conn
	// sets are those that the kernel has told of.
	sets  map[string]kernelSet
	batch []netlink.Message
}

// edit writes in the order of Edit's fields.
func (w *elementWriter) edit(e Edit) error {
	for _, set := range e.Flush {
		if err := w.message(unix.NFT_MSG_DELSETELEM, 0, set, nil); err != nil {
			return err
		}
	}
	if err := w.elements(unix.NFT_MSG_DELSETELEM, 0, e.Remove); err != nil {
		return err
	}
	return w.elements(unix.NFT_MSG_NEWSETELEM, netlink.Create|netlink.Excl, e.Add)
}

// elements writes elements by set, in their order.
func (w *elementWriter) elements(kind int, flags netlink.HeaderFlags, all []Element) error {
	var names []string
	of := map[string][]Element{}
	for _, e := range all {
		name := e.Set + e.Map
		if of[name] == nil {
			names = append(names, name)
		}
		of[name] = append(of[name], e)
	}
	for _, name := range names {
		for part := range slices.Chunk(of[name], messageElements) {
			if err := w.message(kind, flags, name, part); err != nil {
				return err
			}
		}
	}
	return nil
}

// message writes one message about a set; without elements it is about all that are there.
func (w *elementWriter) message(kind int, flags netlink.HeaderFlags, set string, elements []Element) error {
	var keys [][]byte
	s := kernelSet{}
	if len(elements) > 0 {
		var err error
		if s, err = w.set(set); err != nil {
			return err
		}
	}
	for _, e := range elements {
		key, ok := keyBytes(s.shape.key, e.Key)
		_, _, isVerdict := e.verdict()
		if !ok || s.isMap != isVerdict {
			return errNotQuick
		}
		keys = append(keys, key)
	}
	body, err := encoded(func(a *netlink.AttributeEncoder) {
		a.String(unix.NFTA_SET_ELEM_LIST_TABLE, w.Name)
		a.String(unix.NFTA_SET_ELEM_LIST_SET, set)
		if len(elements) > 0 {
			nested(a, unix.NFTA_SET_ELEM_LIST_ELEMENTS, func(a *netlink.AttributeEncoder) {
				for i, e := range elements {
					nested(a, unix.NFTA_LIST_ELEM, func(a *netlink.AttributeEncoder) { e.write(a, keys[i]) })
				}
			})
		}
	})
	w.batch = append(w.batch, message(kind, w.family, netlink.Request|flags, body))
	return err
}

// set asks the kernel what a set's elements are like. One whose elements are intervals is for the command.
func (w *elementWriter) set(name string) (kernelSet, error) {
	if s, known := w.sets[name]; known {
		return s, nil
	}
	of, err := encoded(func(a *netlink.AttributeEncoder) {
		a.String(unix.NFTA_SET_TABLE, w.Name)
		a.String(unix.NFTA_SET_NAME, name)
	})
	if err != nil {
		return kernelSet{}, err
	}
	replies, err := w.conn.Execute(message(unix.NFT_MSG_GETSET, w.family, netlink.Request, of))
	if err != nil {
		return kernelSet{}, err
	}
	k := kernelListing{Listing: newListing()}
	for _, m := range replies {
		k.addSet(m)
	}
	if len(k.sets) != 1 || k.sets[0].shape.interval || k.sets[0].shape.dynamic {
		return kernelSet{}, errNotQuick
	}
	w.sets[name] = k.sets[0]
	return k.sets[0], nil
}

// write writes an element, its value a verdict if it has one.
func (e Element) write(a *netlink.AttributeEncoder, key []byte) {
	nested(a, unix.NFTA_SET_ELEM_KEY, func(a *netlink.AttributeEncoder) { a.Bytes(unix.NFTA_DATA_VALUE, key) })
	code, chain, ok := e.verdict()
	if !ok {
		return
	}
	nested(a, unix.NFTA_SET_ELEM_DATA, func(a *netlink.AttributeEncoder) {
		nested(a, unix.NFTA_DATA_VERDICT, func(a *netlink.AttributeEncoder) {
			a.Uint32(unix.NFTA_VERDICT_CODE, uint32(code))
			if chain != "" {
				a.String(unix.NFTA_VERDICT_CHAIN, chain)
			}
		})
	})
}

// verdict is the way back from verdictText.
func (e Element) verdict() (code int32, chain string, ok bool) {
	if len(e.Value) != 1 {
		return 0, "", false
	}
	word, chain, _ := strings.Cut(e.Value[0], " ")
	for code, known := range verdictWords {
		if known == word {
			return code, chain, true
		}
	}
	return 0, "", false
}
