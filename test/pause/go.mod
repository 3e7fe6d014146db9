module warren.mesh/test/pause

go 1.26.0
