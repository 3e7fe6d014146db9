// Package bench measures what the README tells in numbers: packets, time and throughput of meshes that package lab
// makes. Ratios are of measurements side by side, in turns, and medians of them.
package bench
