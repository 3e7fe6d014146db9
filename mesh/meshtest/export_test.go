package meshtest

// Missing is what Privileged fails for.
var Missing = missing
