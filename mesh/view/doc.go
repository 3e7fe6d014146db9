// Package view says in text, JSON and YAML what warren's commands have found out: tables for people, documents for
// programs, and an exit status for both. It is pure: values and a writer in, text out. It reads no node and no cluster.
package view
