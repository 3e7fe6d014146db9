package nft

// Edit is a change of a table that is in force. All of it is one transaction, in the order of the fields.
type Edit struct {
	// Sets, Maps and Chains are added, the chains with their rules. None of these is there yet.
	Sets   []Set
	Maps   []Map
	Chains []Chain
	// Flush names sets that are emptied.
	Flush []string
	// Remove and Add are elements that go and elements that come. One whose value changes is in both.
	Remove, Add []Element
	// DropChains, DropMaps and DropSets name what is deleted, after everything that referred to it.
	DropChains, DropMaps, DropSets []string
}
