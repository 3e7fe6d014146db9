package main

import "github.com/spf13/cobra"

const demoName = "demo"

func newDemo() *cobra.Command { return &cobra.Command{Use: "demo"} }
